package stream

import (
	"fmt"
	"runtime/debug"
)

// guarded turns a panic of a user's function into an error, and its error into one with a text.
func guarded(f func() error) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = panicked(recover())
		}
	}()
	err = printable(f())
	returned = true
	return err
}

// printable returns err, or an error with a text if Error panics, such as that of a nil pointer.
func printable(err error) (safe error) {
	if err == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			safe = &unprintableError{err, fmt.Sprintf("a %T whose Error panics: %v", err, v)}
		}
	}()
	_ = err.Error()
	return err
}

type unprintableError struct {
	err  error
	text string
}

func (e *unprintableError) Error() string { return e.text + " [LW236]" }
func (e *unprintableError) Unwrap() error { return e.err }

func panicked(value any) error {
	return &PanicError{Value: value, Stack: debug.Stack()}
}
