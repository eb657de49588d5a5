package admin

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// Option tunes At and Handler.
type Option func(*config)

type config struct {
	tokens    []token
	subjects  map[string]caller // by a certificate's subject
	hosts     map[string]bool
	tls       *tls.Config
	plaintext bool
	tokenFile string
	made      bool // the token was made at the start
	previews  func(record any) string
	pages     http.Handler
	log       *slog.Logger
	peers     adminapi.Config
	events    int
	faults    []error
}

// Scope is what a caller may do.
type Scope int

const (
	// Read sees everything, keys, stacks and previews included.
	Read Scope = iota + 1
	// Operate may change things too.
	Operate
)

func (s Scope) String() string {
	switch s {
	case Read:
		return "read"
	case Operate:
		return "operate"
	}
	return "none"
}

// token is a secret of somebody.
type token struct {
	hash [sha256.Size]byte // so that a compare takes the same time whatever its length
	caller
}

// tokenLeast is the minimum length of a secret: it cannot be guessed at five tries a second.
const tokenLeast = 16

// Token lets in callers with the secret. Logs and events show them under the name. The secret has
// at least 16 characters; read it from a file or the environment. Without any Token or Certificate,
// At makes a token for Operate at the start, and writes it to standard error or to TokenFile.
func Token(name, secret string, s Scope) Option {
	return func(c *config) {
		if len(secret) < tokenLeast {
			c.refuse(fmt.Sprintf("the token of %q has %d characters", name, len(secret)), fmt.Sprintf("use at least %d random ones", tokenLeast))
		}
		c.named(name, s)
		c.tokens = append(c.tokens, token{sha256.Sum256([]byte(secret)), caller{name, s}})
	}
}

// Certificate lets in clients whose verified certificate has this subject, as in
// "CN=alice,O=operators". Logs and events show them under it. It needs a TLS config with ClientCAs
// and ClientAuth.
func Certificate(subject string, s Scope) Option {
	return func(c *config) {
		c.named(subject, s)
		c.subjects[subject] = caller{subject, s}
	}
}

// TLS makes At serve HTTPS. The config needs Certificates or GetCertificate.
func TLS(t *tls.Config) Option {
	return func(c *config) {
		if c.tls = t; t == nil {
			c.refuse("TLS was given no config", "give it one with a certificate, or leave TLS out")
		}
	}
}

// InsecurePlaintext allows an address beyond loopback without TLS. Tokens then cross the network in
// plain text. Use it if something else encrypts, such as a service mesh.
func InsecurePlaintext() Option { return func(c *config) { c.plaintext = true } }

// Hosts sets the host names in URLs of this API, without ports. A request with another Host is
// refused; otherwise a page of any site could reach the API through its own DNS name. Default:
// localhost and loopback addresses, and beyond loopback every IP address.
func Hosts(names ...string) Option {
	return func(c *config) {
		for _, n := range names {
			c.hosts[strings.ToLower(n)] = true
		}
	}
}

// TokenFile sets the file to which At writes the token that it makes, with mode 0600. An existing
// file is replaced. Default: standard error.
func TokenFile(path string) Option { return func(c *config) { c.tokenFile = path } }

// Previews shows the record of a halt to callers with a token, cut to 4 KiB. text gets the record
// as it left the source and returns what to show of it: redact it there. nil shows everything: a
// Kafka message as headers and value, anything else as JSON. Default: no previews.
func Previews(text func(record any) string) Option {
	return func(c *config) {
		if c.previews = text; text == nil {
			c.previews = plainText
		}
	}
}

// Logger sets the logger for changes. Each change, made or refused, is a line. Default:
// slog.Default().
func Logger(l *slog.Logger) Option {
	return func(c *config) {
		if c.log = l; l == nil {
			c.refuse("Logger was given nil", "leave it out for slog.Default()")
		}
	}
}

// Events sets how many of the last events are kept: n changes, and n of events that repeat, such as
// retries. Default 500.
func Events(n int) Option {
	return func(c *config) {
		if c.events = n; n < 1 {
			c.refuse(fmt.Sprintf("Events(%d)", n), "n is at least 1; the default is 500")
		}
	}
}

// Pages serves everything outside /v1/, under the same Host allowlist and headers. Package console
// uses it.
func Pages(h http.Handler) Option { return func(c *config) { c.pages = h } }

func (c *config) named(name string, s Scope) {
	if name == "" {
		c.refuse("a caller has no name", "give it one, which logs and events show")
	}
	if s != Read && s != Operate {
		c.refuse(fmt.Sprintf("%q has scope %d", name, s), "use Read or Operate")
	}
}

func (c *config) refuse(what, fix string) {
	c.faults = append(c.faults, &stream.BuildError{Code: "LW150", Step: "admin", What: what, Fix: fix})
}

func newConfig(opts []Option) *config {
	c := &config{subjects: map[string]caller{}, hosts: map[string]bool{}, events: 500, log: slog.Default()}
	for _, o := range opts {
		if o == nil {
			c.refuse("an Option is nil", "leave it out")
			continue
		}
		o(c)
	}
	return c
}

func (c *config) fault() error { return errors.Join(c.faults...) }
