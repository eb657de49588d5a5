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

// printable returns err, or an error with a text if one of its methods panics, such as those of a
// nil pointer. So all that asks an error of the user, with errors.As or by its methods, asks
// safely.
func printable(err error) (safe error) {
	if err == nil {
		return nil
	}
	text := ""
	defer func() {
		if v := recover(); v != nil {
			safe = &unprintableError{err, fmt.Sprintf("%sa %T whose methods panic: %v", text, err, v)}
		}
	}()
	text = err.Error() + ": it is or wraps "
	_, _, _ = errors.Is(err, errSought), IsWhole(err), retryAfter(err)
	return err
}

// errSought is in no error: the search for it calls Is and Unwrap of all that an error wraps.
var errSought = errors.New("no error is this one")

// unprintableError keeps its error from everybody but those who know its type.
type unprintableError struct {
	err  error
	text string
}

func (e *unprintableError) Error() string { return e.text + " [LW236]" }

// As finds the error itself, unless its type is of this package, which would ask it for more. There
// is no Unwrap, since what the error wraps may panic too.
func (e *unprintableError) As(target any) bool {
	to, err := reflect.ValueOf(target).Elem(), reflect.ValueOf(e.err)
	if to.Type() != err.Type() || ownType(err.Type()) {
		return false
	}
	to.Set(err)
	return true
}

// ownType reports whether a type, or what it points to, is of this package.
func ownType(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == reflect.TypeFor[unprintableError]().PkgPath()
}

func panicked(value any) error {
	if err, is := value.(error); is {
		value = printable(err)
	}
	return &PanicError{Value: value, Stack: debug.Stack()}
}
