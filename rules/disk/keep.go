package disk

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
)

// Keep returns where a file is, without links, that is to be written in place for as long
// as this program runs, such as a database. If there is none it is made, empty and for its
// owner alone. The error is of type Changeable if others can put files beside it or change
// it, whoever this user is: a database believes its journal.
func Keep(name string) (real string, err error) {
	p, err := locate(name, 0, true, writers())
	if err != nil {
		return "", about(name, unwritten, err)
	}
	defer p.close()
	if err := p.closed(); err != nil {
		return "", about(name, unwritten, err)
	}
	stop, err := p.asOwner()
	if err != nil {
		return "", err
	}
	defer stop()
	f, err := p.open(os.O_RDWR, 0)
	for errors.Is(err, fs.ErrNotExist) {
		f, err = p.open(os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) { // another made it meanwhile
			f, err = p.open(os.O_RDWR, 0)
		}
	}
	if f, err = checked(f, err, name); err != nil {
		return "", err
	}
	defer f.Close()
	if err := p.checkFile(f, true, writers()); err != nil {
		return "", about(name, unwritten, err)
	}
	return p.name(p.base), f.Chmod(0o600)
}

// SetAside gives a file another name beside it that is free, made of its own and a word,
// and returns it. Files that have its name with one of the endings, such as "-wal", follow.
func SetAside(name, word string, endings ...string) (string, error) {
	p, unlock, err := locked(name, 0, true)
	if err != nil {
		return "", err
	}
	defer unlock()
	for n := 1; ; n++ {
		aside := p.base + "." + word
		if n > 1 {
			aside += "-" + strconv.Itoa(n)
		}
		err := p.link(p.base, aside)
		if errors.Is(err, fs.ErrExist) && n < 1000 {
			continue
		}
		if err != nil {
			return "", err
		}
		for _, ending := range endings {
			if err := p.rename(p.base+ending, aside+ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
		err = p.remove(p.base)
		p.sync()
		return p.name(aside), err
	}
}
