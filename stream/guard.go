package stream

import (
	"errors"
	"fmt"
	"reflect"
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

// printable returns err, or an error with a text if a method of err or of what it wraps panics,
// such as that of a nil pointer. It calls all the methods that this package calls later.
func printable(err error) (safe error) {
	if err == nil {
		return nil
	}
	text := ""
	defer func() {
		if v := recover(); v != nil {
			safe = &unprintableError{err, text, v}
		}
	}()
	text = err.Error()
	_, _ = errors.AsType[noError](err) // with Unwrap, As and Is of the whole tree
	_ = errors.Is(err, noError{})
	_, _ = IsWhole(err), retryAfter(err)
	return err
}

// noError is an error that no other wraps.
type noError struct{}

func (noError) Error() string { return "" }

// unprintableError stands for an error with a method that panics. It does not unwrap to it: what
// finds the error by an interface, or by a type of this package, calls its methods.
type unprintableError struct {
	err    error
	text   string // empty: Error panics
	reason any
}

func (e *unprintableError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("a %T whose Error panics: %v [LW236]", e.err, e.reason)
	}
	return fmt.Sprintf("%s (a %T with a method that panics: %v [LW236])", e.text, e.err, e.reason)
}

func (e *unprintableError) As(target any) (is bool) {
	t := reflect.TypeOf(target).Elem()
	of := t
	if t.Kind() == reflect.Pointer {
		of = t.Elem()
	}
	if t.Kind() == reflect.Interface || of.PkgPath() == reflect.TypeFor[noError]().PkgPath() {
		return false
	}
	defer func() { _ = recover() }()
	return errors.As(e.err, target)
}

func (e *unprintableError) Is(target error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(e.err, target)
}

func panicked(value any) error {
	if err, is := value.(error); is {
		value = printable(err)
	}
	return &PanicError{Value: value, Stack: debug.Stack()}
}
