package parser
import ("os";"testing";"time";"sync";"bytes";"fmt";"runtime/debug")
func TestWhole(t *testing.T){
 f:=os.Getenv("BIG"); if f=="" {t.Skip()}
 debug.SetGCPercent(200)
 b,_:=os.ReadFile(f)
 for range 3 {
 start:=time.Now()
 type job struct{lo,hi int}
 jobs:=make(chan job,8)
 var wg sync.WaitGroup; var mu sync.Mutex; total:=0; var sum Stats
 dd:=NewDedup(); var dt time.Duration; distinct:=0
 for range 2 { wg.Add(1); go func(){ defer wg.Done(); var dst []Denial; for j:=range jobs { var s Stats; dst,s=Scan(dst[:0],Block{Before:b[max(0,j.lo-Context):j.lo],Body:b[j.lo:j.hi],After:b[j.hi:min(len(b),j.hi+Context)]}); mu.Lock(); total+=len(dst); sum.Add(s); t0:=time.Now(); for i:=range dst { if !dd.Duplicate(&dst[i]) {distinct++} }; dt+=time.Since(t0); mu.Unlock() } }() }
 for lo:=0; lo<len(b); { hi:=lo+1<<20; if hi>=len(b) {hi=len(b)} else { hi+=bytes.IndexByte(b[hi:],'\n')+1 }; jobs<-job{lo,hi}; lo=hi }
 close(jobs); wg.Wait()
 m,ok:=sum.Serials.Missing()
 fmt.Println(total, distinct, sum.Lines, time.Since(start), "dedup", dt, m, ok)
 }
}
