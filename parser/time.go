package parser

import (
	"bytes"
	"strings"
	"time"
)

func (z zone) location() *time.Location {
	if z.loc == nil {
		return time.UTC
	}
	return z.loc
}

// cutTime removes the time that a log line starts with: RFC 3164's "Nov 23
// 09:42:59", ISO 8601 with its variants, seconds since 1970, and journalctl's
// "Mon 2026-11-23 09:42:59 UTC".
func cutTime(s string, z zone) (time.Time, string, bool) {
	if t, rest, ok := cutISO(s, z); ok {
		return t, rest, true
	}
	if len(s) > 4 && s[3] == ' ' && isWeekday(s[:3]) {
		if t, rest, ok := cutISO(s[4:], z); ok {
			return t, rest, true
		}
		// OpenWrt's logread: Mon Nov 23 09:42:59 2026
		if len(s) > 25 && s[24] == ' ' {
			if t, err := time.ParseInLocation(time.ANSIC, s[:24], z.location()); err == nil {
				return t.UTC(), s[25:], true
			}
		}
	}
	if t, rest, ok := cutRFC3164(s, z); ok {
		return t, rest, true
	}
	word, _, ok := strings.Cut(s[:min(len(s), 24)], " ")
	sec, frac, dot := strings.Cut(word, ".")
	n, digits := atoi(sec)
	if !ok || !dot || !digits || len(sec) < 9 || len(sec) > 11 {
		return time.Time{}, s, false
	}
	nsec, _ := fraction(frac)
	return time.Unix(n, nsec).UTC(), s[len(word)+1:], true
}

// cutRFC3164 reads "Nov 23 09:42:59[.fraction] ". The year is the latest one
// that does not lie in the future of the block's reference.
func cutRFC3164(s string, z zone) (time.Time, string, bool) {
	if len(s) < 16 || s[3] != ' ' || s[6] != ' ' || s[9] != ':' || s[12] != ':' {
		return time.Time{}, s, false
	}
	month := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(s[:3]))
	day, ok1 := atoi(strings.TrimLeft(s[4:6], " "))
	hour, min, sec, ok2 := clock(s[7:15])
	if month < 0 || month%3 != 0 || !ok1 || !ok2 {
		return time.Time{}, s, false
	}
	nsec, n := fraction(strings.TrimPrefix(s[15:], "."))
	rest := s[15:]
	if rest[0] == '.' {
		rest = rest[1+n:]
	}
	if !strings.HasPrefix(rest, " ") {
		return time.Time{}, s, false
	}
	m := time.Month(month/3 + 1)
	year := 2000 // of no meaning: no reference was given
	if !z.latest.IsZero() {
		year = z.latest.In(z.location()).Year() + 1
	}
	at := func(y int) time.Time { return time.Date(y, m, int(day), hour, min, sec, int(nsec), z.location()) }
	t := at(year)
	for i := 0; i < 9 && !z.latest.IsZero() && (t.After(z.latest.Add(24*time.Hour)) || t.Month() != m); i++ {
		year--
		t = at(year)
	}
	return t.UTC(), rest[1:], true
}

// cutISO reads 2026-11-23T09:42:59[.fraction][zone] and its variants with a
// space, a comma, or a zone's name in a word of its own.
func cutISO(s string, z zone) (time.Time, string, bool) {
	if len(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' && s[10] != '_' {
		return time.Time{}, s, false
	}
	year, ok1 := atoi(s[:4])
	month, ok2 := atoi(s[5:7])
	day, ok3 := atoi(s[8:10])
	hour, min, sec, ok4 := clock(s[11:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || month < 1 || month > 12 {
		return time.Time{}, s, false
	}
	rest := s[19:]
	var nsec int64
	if rest[0] == '.' || rest[0] == ',' {
		var n int
		nsec, n = fraction(rest[1:])
		rest = rest[1+n:]
	}
	loc := z.location()
	word, after, _ := strings.Cut(rest, " ")
	switch {
	case word == "Z":
		loc = time.UTC
	case len(word) >= 5 && (word[0] == '+' || word[0] == '-'):
		digits := strings.Replace(word[1:], ":", "", 1)
		n, ok := atoi(digits)
		if !ok || len(digits) != 4 {
			return time.Time{}, s, false
		}
		offset := int(n/100*3600 + n%100*60)
		if word[0] == '-' {
			offset = -offset
		}
		loc = time.FixedZone("", offset)
	case word != "":
		return time.Time{}, s, false
	case s[10] == ' ':
		// journalctl -o short-full names the zone.
		if name, rest, ok := strings.Cut(after, " "); ok && isZoneName(name) {
			if name == "UTC" || name == "GMT" {
				loc = time.UTC
			}
			after = rest
		}
	}
	t := time.Date(int(year), time.Month(month), int(day), hour, min, sec, int(nsec), loc)
	return t.UTC(), after, true
}

// parseLocalID reads DATE TIME.FRACTION:SERIAL) as ausearch -i prints it, with
// the date of the user's locale.
func parseLocalID(s string, z zone) (t time.Time, serial uint32, n int, ok bool) {
	end := strings.IndexByte(s[:min(len(s), 80)], ')')
	if end < 0 {
		return time.Time{}, 0, 0, false
	}
	colon := strings.LastIndexByte(s[:end], ':')
	if colon < 0 {
		return time.Time{}, 0, 0, false
	}
	id, ok := atoi(s[colon+1 : end])
	if !ok || id > 1<<32-1 {
		return time.Time{}, 0, 0, false
	}
	date, clockText, ok := strings.Cut(s[:colon], " ")
	if !ok {
		return time.Time{}, uint32(id), end + 1, true
	}
	whole, frac, _ := strings.Cut(clockText, ".")
	hour, min, sec, ok := clock(whole)
	if !ok {
		return time.Time{}, uint32(id), end + 1, true
	}
	nsec, _ := fraction(frac)
	day := localDate(date, z)
	if day.IsZero() {
		return time.Time{}, uint32(id), end + 1, true
	}
	t = time.Date(day.Year(), day.Month(), day.Day(), hour, min, sec, int(nsec), z.location())
	return t.UTC(), uint32(id), end + 1, true
}

// localDate reads a date of three numbers. Which one is which depends on the
// locale: year first if it has four digits, day first with dots, else month
// first unless that is impossible or lies in the future.
func localDate(s string, z zone) time.Time {
	f := strings.FieldsFunc(s, func(r rune) bool { return r == '/' || r == '.' || r == '-' })
	if len(f) != 3 {
		return time.Time{}
	}
	var n [3]int
	for i := range f {
		v, ok := atoi(f[i])
		if !ok || v > 9999 {
			return time.Time{}
		}
		n[i] = int(v)
	}
	date := func(y, m, d int) time.Time {
		if y < 100 {
			y += 2000
		}
		t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
		if m < 1 || m > 12 || t.Day() != d {
			return time.Time{}
		}
		return t
	}
	if len(f[0]) == 4 {
		return date(n[0], n[1], n[2])
	}
	monthFirst, dayFirst := date(n[2], n[0], n[1]), date(n[2], n[1], n[0])
	future := !z.latest.IsZero() && monthFirst.After(z.latest.Add(48*time.Hour)) && !dayFirst.After(z.latest.Add(48*time.Hour))
	if !dayFirst.IsZero() && (strings.Contains(s, ".") || monthFirst.IsZero() || future) {
		return dayFirst
	}
	return monthFirst
}

// clock reads "09:42:59".
func clock(s string) (hour, min, sec int, ok bool) {
	if len(s) != 8 || s[2] != ':' || s[5] != ':' {
		return 0, 0, 0, false
	}
	h, ok1 := atoi(s[:2])
	m, ok2 := atoi(s[3:5])
	c, ok3 := atoi(s[6:])
	return int(h), int(m), int(c), ok1 && ok2 && ok3 && h < 24 && m < 60 && c < 62
}

// fraction reads the digits of a fraction of a second, and says how many there
// are.
func fraction(s string) (nsec int64, n int) {
	unit := int64(time.Second)
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		unit /= 10
		nsec += int64(s[n]-'0') * unit
		n++
	}
	return nsec, n
}

func isWeekday(s string) bool {
	i := strings.Index("MonTueWedThuFriSatSun", s)
	return i >= 0 && i%3 == 0
}

// isZoneName reports whether a word looks like a time zone's abbreviation.
func isZoneName(s string) bool {
	if len(s) < 2 || len(s) > 6 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !('A' <= s[i] && s[i] <= 'Z' || '0' <= s[i] && s[i] <= '9' || s[i] == '+' || s[i] == '-') {
			return false
		}
	}
	return true
}

// NewestStamp returns the newest time of an audit event that a text names, whatever lines it
// stands in; zero if there is none.
func NewestStamp(text []byte) time.Time {
	newest := int64(0)
	for {
		i := bytes.Index(text, needleStamp)
		if i < 0 {
			break
		}
		text = text[i+len(needleStamp):]
		digits, _, ok := bytes.Cut(text[:min(len(text), 11)], []byte("."))
		if n, isNumber := atoi(string(digits)); ok && isNumber && len(digits) == 10 {
			newest = max(newest, n)
		}
	}
	if newest == 0 {
		return time.Time{}
	}
	return time.Unix(newest, 0)
}

var needleStamp = []byte("audit(")
