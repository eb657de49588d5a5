package stream

import "errors"

// spawn starts a goroutine of the run. A panic of it, which would be a bug of this package, ends the pipeline and comes out of Run; so does a handler that
// ends its goroutine, which nobody can stop. What such a goroutine held never comes to rest: no drain waits for it.
func (r *run) spawn(f func()) {
	r.wg.Go(func() {
		returned := false
		defer func() {
			if p := recover(); p != nil {
				r.fail(panicked(p))
				r.cripple()
				panic(p)
			}
			if !returned {
				r.fail(errEnded)
				r.cripple()
			}
		}()
		f()
		returned = true
	})
}

var errEnded = errors.New("a handler ended its goroutine (runtime.Goexit, or t.FailNow outside the test's own): return an error instead")
