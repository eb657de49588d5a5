package legible_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/laneway-go/laneway/internal/legible"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"12 €":               "12 €",
		"line\nline":         "line\nline",
		"\xff\xfe\xe2(":      `\xff\xfe\xe2(`,
		"a\xe2\x82z":         `a\xe2\x82z`,
		"\uFFFD is no fault": "\uFFFD is no fault",
	} {
		if got := legible.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"short", 5, "short"},
		{"too long", 3, "too…"},
		{"12 €", 4, "12 …"},
		{"\x80\x80\x80\x80\x80\x80", 5, `\x80\x80\x80\x80\x80…`},
		{"€", 0, "…"},
	} {
		if got := legible.Cut(c.in, c.most); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
}

func TestKey(t *testing.T) {
	if got := legible.Key([]byte(strings.Repeat("k", 128))); got != strings.Repeat("k", 128) {
		t.Errorf("a key of 128 bytes: %q", got)
	}
	if got := legible.Key([]byte(strings.Repeat("k", 1000))); got != strings.Repeat("k", 128)+"…" {
		t.Errorf("a key of 1,000 bytes: %q", got)
	}
}

func TestError(t *testing.T) {
	cause := errors.New("cause")
	good, bad := fmt.Errorf("of %w", cause), fmt.Errorf("\xff of %w", cause)
	if got := legible.Error(good); got != good {
		t.Errorf("a legible error became %v", got)
	}
	if got := legible.Error(bad); got.Error() != `\xff of cause` || !errors.Is(got, cause) {
		t.Errorf("an illegible error became %v", got)
	}
	if legible.Error(nil) != nil {
		t.Error("nil became an error")
	}
}

func FuzzText(f *testing.F) {
	f.Add("\xff", 3)
	f.Fuzz(func(t *testing.T, s string, most int) {
		for _, got := range []string{legible.Text(s), legible.Cut(s, max(most, 0))} {
			if !utf8.ValidString(got) {
				t.Errorf("%q became %q", s, got)
			}
		}
	})
}
