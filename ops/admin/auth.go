package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// caller is who asks.
type caller struct {
	name  string
	scope Scope // 0: nobody that is known
}

// identify returns who has sent the request, or the problem that answers it.
func (a *api) identify(r *http.Request) (caller, *problem) {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		if who, known := a.subjects[r.TLS.VerifiedChains[0][0].Subject.String()]; known {
			return who, nil
		}
	}
	given := r.Header.Get("Authorization")
	if given == "" {
		if !a.local {
			return caller{}, errUnknown("this API needs a token, or a client certificate that it knows")
		}
		return caller{}, nil
	}
	from := host(r.RemoteAddr)
	if !a.failures.allows(from) {
		return caller{}, &problem{Status: http.StatusTooManyRequests, Detail: "too many wrong tokens came from this address: wait a second"}
	}
	scheme, secret, _ := strings.Cut(given, " ")
	hash := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	var found caller
	for _, t := range a.tokens {
		if subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 {
			found = t.caller
		}
	}
	if found.scope == 0 || !strings.EqualFold(scheme, "Bearer") {
		a.failures.note(from)
		a.log.Warn("admin refused a token", "from", r.RemoteAddr)
		return caller{}, errUnknown("the token is wrong: use the one that the worker was given, or has made at its start")
	}
	return found, nil
}

// needs checks that a caller has a scope.
func (who caller) needs(s Scope) *problem {
	switch {
	case who.scope >= s:
		return nil
	case who.scope == 0:
		return errUnknown("this needs a token with the scope " + s.String())
	}
	return &problem{Status: http.StatusForbidden, Detail: who.name + " has the scope " + who.scope.String() + ", this needs " + s.String()}
}

func host(addr string) string {
	h, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return h
}

// Wrong tokens of one address: this many in a second.
const (
	failuresMost  = 5
	addressesMost = 1000
)

// failures counts wrong tokens by address.
type failures struct {
	mu sync.Mutex // guards of
	of map[string]*rate.Limiter
}

// allows reports whether another token from the address is looked at.
func (f *failures) allows(from string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.limit(from).Tokens() >= 1
}

func (f *failures) note(from string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit(from).Allow()
}

// limit returns the limiter of an address. Where too many addresses fail, the new ones share one.
func (f *failures) limit(from string) *rate.Limiter {
	if l := f.of[from]; l != nil {
		return l
	}
	if len(f.of) >= addressesMost {
		for is, l := range f.of {
			if l.Tokens() >= failuresMost {
				delete(f.of, is)
			}
		}
		if len(f.of) >= addressesMost {
			from = ""
		}
	}
	l := f.of[from]
	if l == nil {
		l = rate.NewLimiter(rate.Every(time.Second/failuresMost), failuresMost)
		f.of[from] = l
	}
	return l
}

func newFailures() failures { return failures{of: map[string]*rate.Limiter{}} }
