package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// The exit codes: see exitHelp.
const (
	exitFailed = iota + 1
	exitUsage
	exitRefused
	exitConflict
	exitIncomplete
)

const exitHelp = `
Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  refused: the token is missing, wrong, or lacks the scope
  4  conflict: the state has changed since you saw it; nothing was changed there
  5  incomplete: a replica does not answer; the others were asked
`

var (
	errUsage      = errors.New("wrong command line")
	errConflict   = errors.New("conflict")
	errIncomplete = errors.New("incomplete")
)

// coded is an error with one of the errors above, which its text does not repeat.
type coded struct {
	error
	is error
}

func (e coded) Is(target error) bool { return target == e.is }
func (e coded) Unwrap() error        { return e.error }

// said is an error with a text of this command.
type said struct {
	text string
	error
}

func (s said) Error() string { return s.text }
func (s said) Unwrap() error { return s.error }

func usage(format string, args ...any) error { return coded{fmt.Errorf(format, args...), errUsage} }

func conflict(format string, args ...any) error {
	return coded{fmt.Errorf(format, args...), errConflict}
}

// exitCode returns the exit code of an error. If several apply, it returns the one to act on first.
func exitCode(err error) int {
	refused, is := errors.AsType[*adminapi.Problem](err)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return exitUsage
	case is && refusals[refused.Status]:
		return exitRefused
	case is && refused.Status == http.StatusConflict, errors.Is(err, errConflict):
		return exitConflict
	case errors.Is(err, errIncomplete):
		return exitIncomplete
	}
	return exitFailed
}

// refusals are the statuses that refuse a caller.
var refusals = map[int]bool{http.StatusUnauthorized: true, http.StatusForbidden: true, http.StatusMisdirectedRequest: true, http.StatusTooManyRequests: true}
