package stream

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/laneway-go/laneway/internal/outage"
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
// nil pointer. So whoever asks an error of the user, by errors.As or a method, asks safely.
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
	ask(err)
	return err
}

// ask calls the methods of err, and of all that it wraps, which the policies ask.
func ask(err error) {
	var whole interface{ Whole() bool }
	if errors.As(err, &whole) {
		_ = whole.Whole()
	}
	var after interface{ RetryAfter() time.Duration }
	if errors.As(err, &after) {
		_ = after.RetryAfter()
	}
	_, _ = errors.Is(err, ErrNotRunning), outage.Is(err)
}

// unprintableError keeps its error from everybody but those who know its type.
type unprintableError struct {
	err  error
	text string
}

func (e *unprintableError) Error() string { return e.text + " [LW236]" }

// As finds the error itself. There is no Unwrap, since what the error wraps may panic too.
func (e *unprintableError) As(target any) bool {
	to, err := reflect.ValueOf(target).Elem(), reflect.ValueOf(e.err)
	if to.Type() != err.Type() {
		return false
	}
	to.Set(err)
	return true
}

func panicked(value any) error {
	return printable(&PanicError{Value: value, Stack: debug.Stack()})
}
