package adminapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sourcegraph/conc/iter"
)

// Config has the addresses of the processes, and the credentials of the caller.
type Config struct {
	// At has an address for each process, or a DNS name that resolves to all of them: host:port, or
	// a URL with http or https. Without a scheme it is http on loopback and https beyond it. The
	// default port is 7070. If a name resolves to IPv4 and IPv6 addresses, only the IPv4 ones are
	// asked.
	At []string
	// Token is sent with each request. Empty: none.
	Token string
	// TLS has the authorities to trust, and a client certificate; nil: the system's authorities. A
	// certificate is verified for the name in At.
	TLS *tls.Config
	// Timeout bounds each request. Default: 5 s.
	Timeout time.Duration
	// Resolve looks a name up. Default: net.DefaultResolver.
	Resolve func(ctx context.Context, host string) ([]net.IPAddr, error)
}

// Fleet is all replicas of a worker. Close it.
type Fleet struct {
	Replicas []Replica // ordered by their addresses
}

// Replica is a process of a fleet.
type Replica struct {
	*Client
	Process Process
	Err     error // it did not answer, or refused: Fleet no longer asks it
}

// Answer is the answer of one replica.
type Answer[T any] struct {
	From  Replica
	Value T
	Err   error
}

// Find resolves the names and asks each address for its process. A replica that does not answer is
// in the fleet, with its error. A process with several addresses is in it once.
func Find(ctx context.Context, c Config) (*Fleet, error) {
	f := &Fleet{}
	clients, err := Clients(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, client := range clients {
		f.Replicas = append(f.Replicas, Replica{Client: client})
	}
	for i, a := range f.Ask(ctx, (*Client).Process) {
		f.Replicas[i].Process, f.Replicas[i].Err = a.Value, a.Err
	}
	met := map[string]bool{}
	f.Replicas = slices.DeleteFunc(f.Replicas, func(r Replica) bool {
		again := r.Err == nil && met[r.Process.Instance]
		met[r.Process.Instance] = r.Err == nil
		return again
	})
	return f, nil
}

// Clients resolves the names and returns a client for each address, ordered by address. It does not
// connect.
func Clients(ctx context.Context, c Config) (all []*Client, err error) {
	var faults []error
	for _, at := range c.At {
		clients, err := c.clients(ctx, at)
		faults = append(faults, err)
		all = append(all, clients...)
	}
	if len(c.At) == 0 {
		faults = append(faults, errors.New("no address of an admin API is given"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *Client) int { return cmp.Compare(a.addr, b.addr) })
	return slices.CompactFunc(all, func(a, b *Client) bool { return a.addr == b.addr }), nil
}

// Close closes the connections.
func (f *Fleet) Close() {
	for _, r := range f.Replicas {
		r.Client.Close()
	}
}

// Ask asks all replicas at once, except those with an error.
func (f *Fleet) Ask[T any](ctx context.Context, ask func(*Client, context.Context) (T, error)) []Answer[T] {
	there := slices.DeleteFunc(slices.Clone(f.Replicas), func(r Replica) bool { return r.Err != nil })
	return iter.Mapper[Replica, Answer[T]]{MaxGoroutines: max(len(there), 1)}.Map(there, func(r *Replica) Answer[T] {
		value, err := ask(r.Client, ctx)
		return Answer[T]{*r, value, err}
	})
}

// clients returns a client for each address behind at.
func (c Config) clients(ctx context.Context, at string) ([]*Client, error) {
	scheme, host, port, err := parse(at)
	if err != nil {
		return nil, err
	}
	addrs, err := c.resolve(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("finding the addresses of %s: %w", host, err)
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		secure = c.TLS.Clone()
	}
	secure.ServerName = cmp.Or(secure.ServerName, host)
	var all []*Client
	for _, ip := range addrs {
		all = append(all, &Client{addr: net.JoinHostPort(ip.String(), port), scheme: scheme, token: c.Token, timeout: cmp.Or(c.Timeout, 5*time.Second),
			http: &http.Client{
				Transport:     &http.Transport{TLSClientConfig: secure, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would get the token
			}})
	}
	return all, nil
}

// parse splits an address of Config.At.
func parse(at string) (scheme, host, port string, err error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		u, err = url.Parse("//" + at)
	}
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return "", "", "", fmt.Errorf("%q is no address: use host:port, http://host:port or https://host:port", at)
	}
	scheme, host, port = u.Scheme, u.Hostname(), cmp.Or(u.Port(), "7070")
	if scheme == "" {
		scheme = "https"
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			scheme = "http"
		}
	}
	if scheme != "http" && scheme != "https" {
		return "", "", "", fmt.Errorf("%q has the scheme %s: use http or https", at, scheme)
	}
	return scheme, host, port, nil
}

func (c Config) resolve(ctx context.Context, host string) ([]net.IPAddr, error) {
	if ip := net.ParseIP(host); ip != nil {
		return []net.IPAddr{{IP: ip}}, nil
	}
	resolve := c.Resolve
	if resolve == nil {
		resolve = net.DefaultResolver.LookupIPAddr
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, 5*time.Second))
	defer cancel()
	addrs, err := resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	if v4 := slices.DeleteFunc(slices.Clone(addrs), func(a net.IPAddr) bool { return a.IP.To4() == nil }); len(v4) > 0 {
		return v4, nil
	}
	return addrs, nil
}
