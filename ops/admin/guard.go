package admin

import (
	"mime"
	"net"
	"net/http"
	"strings"
)

// bodyMost is the size of a request's body.
func bodyMost(path string) int64 {
	switch {
	case strings.HasSuffix(path, "/resume-many"):
		return 512 << 10 // more than adminapi.HaltsMost ids, however they are escaped
	case strings.HasSuffix(path, "/pause-all"):
		return 4 << 20 // more than adminapi.PartitionsMost partitions of the longest name
	}
	return 4 << 10
}

// headers go with every answer, pages too.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Cache-Control":                "no-store",
}

// guard refuses requests that no caller may send.
func (a *api) guard(r *http.Request) *problem {
	if !a.expects(r.Host) {
		return &problem{Status: http.StatusMisdirectedRequest, Detail: "the Host " + r.Host + " is not expected here: allow it with admin.Hosts"}
	}
	for name := range r.URL.Query() {
		if name != "after" && name != "halt" && name != "source" { // a token does not belong into a URL: proxies and histories keep it
			return &problem{Status: http.StatusBadRequest, Detail: "the query has " + name + ", which means nothing here; a token goes into the header Authorization"}
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if err := a.origins.Check(r); err != nil {
		return &problem{Status: http.StatusForbidden, Detail: "the request comes from a page of another origin: " + err.Error()}
	}
	return nil
}

// typed refuses a change that a form of another page could send. The method is known to be right.
func typed(r *http.Request) *problem {
	if r.Method != http.MethodPost {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &problem{Status: http.StatusUnsupportedMediaType, Detail: "a change is sent as application/json"}
	}
	return nil
}

// expects reports whether a Host is one of this API.
func (a *api) expects(is string) bool {
	name := strings.ToLower(strings.Trim(host(is), "[]"))
	if isLocal(name) || a.hosts[name] {
		return true
	}
	return !a.local && net.ParseIP(name) != nil // rebinding needs a name
}
