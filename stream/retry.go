package stream

import (
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
)

// RetryPolicy says how often and when a failed step is retried. Attempts include the first one. The
// zero value makes 15 attempts over about a minute (41 to 83 s), which outlasts a restart or a
// failover of a database or broker within 40 s.
//
// The waits between attempts double from FirstWait up to MaxWait. Each wait is a random time
// between half of that and all of it, so that elements that failed together do not retry together.
// An error can ask for a wait of its own: if errors.As finds a RetryAfter() time.Duration above 0
// in it, such as a server's Retry-After, the next attempt starts after that time, or up to a tenth
// later. Of several joined errors the longest wait counts.
type RetryPolicy struct {
	MaxAttempts int // 0: 15; 1 never retries
	// retry without a limit; only a Permanent error goes to the next policy
	Unlimited bool
	FirstWait time.Duration // 0: 100 ms
	MaxWait   time.Duration // 0: 10 s, or FirstWait if that is longer

	// Wait, if set, decides each wait in place of FirstWait, MaxWait and RetryAfter.
	// Failure.Attempts counts the failed attempts, Failure.Err is the error of the last one.
	// Several workers call Wait concurrently. 0 retries at once.
	Wait func(Failure) time.Duration
}

const (
	retryAttempts = 15
	retryFirst    = 100 * time.Millisecond
	retryMost     = 10 * time.Second
)

// exhausted reports whether the given number of failed attempts uses them up.
func (p RetryPolicy) exhausted(attempts int) bool {
	return !p.Unlimited && attempts >= p.attempts()
}

// lasts reports whether p allows at least as many attempts as another policy.
func (p RetryPolicy) lasts(as RetryPolicy) bool {
	return p.Unlimited || as.exhausted(p.attempts())
}

func (p RetryPolicy) attempts() int {
	if p.MaxAttempts == 0 {
		return retryAttempts
	}
	return p.MaxAttempts
}

// bounds returns the first and the longest wait.
func (p RetryPolicy) bounds() (first, most time.Duration) {
	if first = p.FirstWait; first == 0 {
		first = retryFirst
		if p.MaxWait > 0 {
			first = min(first, p.MaxWait)
		}
	}
	if most = p.MaxWait; most == 0 {
		most = max(retryMost, first)
	}
	return first, most
}

// wait returns the time until the next attempt.
func (p RetryPolicy) wait(f Failure) time.Duration {
	if p.Wait != nil {
		return p.Wait(f)
	}
	if d := retryAfter(f.Err); d > 0 {
		return backoff.NotBefore(d)
	}
	first, most := p.bounds()
	return backoff.Wait(f.Attempts, first, most)
}

// faults returns what is wrong with the policy, each with its fix.
func (p RetryPolicy) faults() (fs []policyFault) {
	say := func(what, do string) { fs = append(fs, policyFault{faultRetry, what, do}) }
	if p.MaxAttempts < 0 {
		say(fmt.Sprintf("MaxAttempts is %d", p.MaxAttempts), fmt.Sprintf("0 means %d; 1 never retries", retryAttempts))
	}
	if p.Unlimited && p.MaxAttempts > 0 {
		say(fmt.Sprintf("Unlimited and %d MaxAttempts contradict each other", p.MaxAttempts), "leave one of them out")
	}
	if p.FirstWait < 0 || p.MaxWait < 0 || p.MaxWait > 0 && p.FirstWait > p.MaxWait {
		say(fmt.Sprintf("waits from %v up to %v", p.FirstWait, p.MaxWait), "make FirstWait the shorter one; 0 means the default, and for no wait let Wait return 0")
	}
	if p.Wait != nil && (p.FirstWait != 0 || p.MaxWait != 0) {
		say("Wait replaces FirstWait and MaxWait, so they have no effect", "leave out Wait, or the other two")
	}
	return fs
}

// text describes the number of attempts and their average total wait, without the time that the
// attempts themselves take.
func (p RetryPolicy) text() string {
	n := p.attempts()
	switch {
	case p.Unlimited:
		return "try until it succeeds"
	case n == 1:
		return "try once"
	case p.Wait != nil:
		return fmt.Sprintf("try %d times", n)
	}
	if total := p.total(); total < year {
		return fmt.Sprintf("try %d times over about %s", n, about(total))
	}
	return fmt.Sprintf("try %d times over more than a year", n)
}

// total returns the average of all waits together, or year if that is more.
func (p RetryPolicy) total() time.Duration {
	const share = 3. / 4 // of its limit, a wait takes on average
	first, most := p.bounds()
	sum, waits := 0., p.attempts()-1
	for i := 1; i <= waits; i++ {
		limit := backoff.Limit(i, first, most)
		if limit == most { // so are the waits that follow
			sum += share * float64(limit) * float64(waits-i+1)
			break
		}
		sum += share * float64(limit)
	}
	return time.Duration(min(sum, float64(year)))
}

const year = 365 * 24 * time.Hour

// about formats a duration in one or two significant figures.
func about(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "days"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d.Seconds() / u.unit.Seconds(); n >= 2 {
			return fmt.Sprintf("%.0f %s", n, u.name)
		}
	}
	return d.Round(10 * time.Microsecond).String()
}
