package stream

import "runtime/debug"

// guarded turns a panic of a user's function into an error.
func guarded(f func() error) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = panicked(recover())
		}
	}()
	err = f()
	returned = true
	return err
}

func panicked(value any) error {
	return &PanicError{Value: value, Stack: debug.Stack()}
}
