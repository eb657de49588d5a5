package console_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/console"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func get(t *testing.T, h http.Handler, path string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestPage(t *testing.T) {
	pass := func(_ context.Context, s string) (string, error) { return s, nil }
	p, err := stream.From[string](nil).Map(pass).CommitEach().Build(streamtest.NewLog[string]("t", 1, nil).Source())
	if err != nil {
		t.Fatal(err)
	}
	h, err := admin.Handler([]*stream.Pipeline{p}, admin.Token("olaf", strings.Repeat("x", 16), admin.Operate), console.Page())
	if err != nil {
		t.Fatal(err)
	}
	_, page := get(t, h, "/")
	t.Run("is whole: each file that it names is served", func(t *testing.T) {
		files := regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(page, -1)
		if len(files) < 3 {
			t.Fatalf("the page names %v", files)
		}
		var names []string
		for _, f := range files {
			names = append(names, f[1])
		}
		imports := regexp.MustCompile(`from "\./([a-z]+\.js)"`)
		for i := 0; i < len(names); i++ {
			resp, text := get(t, h, "/"+names[i])
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", names[i], resp.StatusCode)
			}
			for _, m := range imports.FindAllStringSubmatch(text, -1) {
				names = append(names, m[1])
			}
			if len(names) > 100 {
				t.Fatalf("modules import each other: %v", names)
			}
		}
	})
	t.Run("runs under a policy that allows nothing inline and nothing from elsewhere", func(t *testing.T) {
		resp, _ := get(t, h, "/")
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("policy: %q", csp)
		}
		for what, pattern := range map[string]string{"a script": `<script[^>]*>[^<]`, "a style": `<style| style=`, "a handler": ` on[a-z]+=`, "another site": `https?://`} {
			if m := regexp.MustCompile(pattern).FindString(page); m != "" {
				t.Errorf("it has %s: %q", what, m)
			}
		}
	})
}
