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

	"github.com/laneway-go/laneway/internal/legible"
)

// caller is the sender of a request.
type caller struct {
	name  string
	scope Scope // 0: an unknown caller
}

// identify returns the sender of a request, or the problem to answer with.
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
	var who caller
	looked, right := a.failures.try(host(r.RemoteAddr), func() bool {
		who = a.owner(given)
		return who.scope != 0
	})
	switch {
	case !looked:
		return caller{}, &problem{Status: http.StatusTooManyRequests, Detail: "too many wrong tokens came from this address: wait a second"}
	case !right:
		a.log.Warn("admin refused a token", "from", r.RemoteAddr)
		return caller{}, errUnknown("the token is wrong" + a.tokenIsAt())
	}
	return who, nil
}

// owner returns whose token is in a header Authorization.
func (a *api) owner(header string) (who caller) {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return who
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	for _, t := range a.tokens {
		if subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 {
			who = t.caller
		}
	}
	return who
}

// tokenIsAt tells a caller on this machine where to find a token.
func (a *api) tokenIsAt() string {
	switch {
	case !a.local:
		return ""
	case len(a.tokens) == 0:
		return ": it lets in client certificates alone"
	case !a.made:
		return ": the worker was given its tokens by admin.Token"
	case a.tokenFile != "":
		return ": the worker has written it to " + legible.Text(a.tokenFile)
	}
	return ": the worker has written it to its standard error, at its start"
}

// needs checks that a caller has a scope.
func (a *api) needs(who caller, s Scope) *problem {
	switch {
	case who.scope >= s:
		return nil
	case who.scope == 0:
		return errUnknown("this needs a token with the scope " + s.String() + a.tokenIsAt())
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

// failures counts wrong tokens per address.
type failures struct {
	mu sync.Mutex // guards of; held while a token is compared, or many at once would all be looked at
	of map[string]*rate.Limiter
}

func newFailures() failures { return failures{of: map[string]*rate.Limiter{}} }

// try looks at a token from the address, unless too many of its tokens were wrong.
func (f *failures) try(from string, look func() bool) (looked, right bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.limit(from)
	if l.Tokens() < 1 {
		return false, false
	}
	if right = look(); !right {
		l.Allow()
	}
	return true, right
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
