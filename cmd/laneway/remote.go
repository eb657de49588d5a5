package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// remote says where the replicas are, and with which credentials to ask them.
type remote struct {
	at        []string
	tokenFile string
	cert, key string
	timeout   time.Duration
	*authority
}

// Environment variables in place of flags. There is no flag for a token, since every user of the
// machine can read flags.
const (
	atVariable    = "LANEWAY_AT"
	tokenVariable = "LANEWAY_TOKEN"
)

func (r *remote) flags(f *pflag.FlagSet) {
	var at []string
	if given := os.Getenv(atVariable); given != "" {
		at = strings.Split(given, ",")
	}
	f.StringSliceVar(&r.at, "at", at, "`address` of the admin API, host:port or a URL, or a DNS name of all replicas (LANEWAY_AT)\n"+
		"without a scheme it is http on loopback, https beyond it; the port is 7070 if none is given")
	f.StringVar(&r.tokenFile, "token-file", "", "`file` with the token; default: the token in LANEWAY_TOKEN, or none")
	f.StringVar(&r.cert, "cert", "", "PEM `file` with a client certificate, instead of a token")
	f.StringVar(&r.key, "key", "", "PEM `file` with its key")
	f.DurationVar(&r.timeout, "timeout", 5*time.Second, "how long a replica may take to answer a request")
	if r.authority == nil {
		r.authority = authorityOf(f)
	}
}

// find asks the replicas who they are.
func (r *remote) find(ctx context.Context) (*adminapi.Fleet, error) {
	if len(r.at) == 0 {
		return nil, usage("no replica is given: use --at, or %s", atVariable)
	}
	if r.timeout <= 0 {
		return nil, usage("--timeout %v: it must be longer than 0", r.timeout)
	}
	token, err := r.token()
	if err != nil {
		return nil, err
	}
	trust, err := r.trust()
	if err != nil {
		return nil, err
	}
	return adminapi.Find(ctx, adminapi.Config{At: r.at, Token: token, TLS: trust, Timeout: r.timeout})
}

func (r *remote) token() (string, error) {
	if r.tokenFile == "" {
		return os.Getenv(tokenVariable), nil
	}
	text, err := os.ReadFile(r.tokenFile)
	if err != nil {
		return "", usage("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", usage("--token-file: %s is empty", r.tokenFile)
	}
	return token, nil
}

func (r *remote) trust() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if t.RootCAs, err = r.pool(); err != nil {
		return nil, err
	}
	if r.cert == "" && r.key == "" {
		return t, nil
	}
	pair, err := tls.LoadX509KeyPair(r.cert, r.key)
	if err != nil {
		return nil, usage("--cert and --key: %w", err)
	}
	t.Certificates = []tls.Certificate{pair}
	return t, nil
}

// authority is the certificate authority to trust.
type authority struct{ ca string }

// authorityOf adds its flag. A command that asks both replicas and brokers has it once.
func authorityOf(f *pflag.FlagSet) *authority {
	a := &authority{}
	f.StringVar(&a.ca, "ca", "", "PEM `file` with the certificate authority to trust; default: the system's")
	return a
}

// pool is nil for the system's authorities.
func (a *authority) pool() (*x509.CertPool, error) {
	if a.ca == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(a.ca)
	if err != nil {
		return nil, usage("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usage("--ca: %s has no PEM certificate", a.ca)
	}
	return pool, nil
}

// noToken is the hint for a caller that was refused without a token.
const noToken = "; give one with --token-file or LANEWAY_TOKEN"

// silent returns the errors of replicas that could not be identified; nil if there are none.
func silent(f *adminapi.Fleet) error {
	var errs []error
	for _, r := range f.Replicas {
		if r.Err != nil {
			errs = append(errs, unheard(r, r.Err))
		}
	}
	return errors.Join(errs...)
}

// unheard is the error of a replica that did not answer properly.
func unheard(r adminapi.Replica, err error) error {
	return coded{said{r.Addr() + " " + saidNo(err), err}, errIncomplete}
}

// refuses begins the text of a refusal.
const refuses = "refuses: "

// saidNo reports whether the error is a refusal, and not silence.
func saidNo(err error) string {
	if p, is := errors.AsType[*adminapi.Problem](err); is {
		return refuses + refusal(p)
	}
	return "does not answer: " + err.Error()
}

// refusal says why a replica refused, and what helps.
func refusal(p *adminapi.Problem) string {
	if p.Status == http.StatusUnauthorized {
		return p.Detail + noToken
	}
	return p.Detail
}
