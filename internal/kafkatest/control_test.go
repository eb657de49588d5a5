package kafkatest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script takes folders relative to where it is called, and says so when it does nothing.
func TestControl(t *testing.T) {
	script, err := filepath.Abs("../../.ci/kafka")
	if err != nil {
		t.Fatal(err)
	}
	call := func(in string, args ...string) (string, error) {
		c := exec.Command(script, args...)
		c.Dir = in
		out, err := c.CombinedOutput()
		return string(out), err
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	broker := filepath.Join(dir, "a", "broker") // as one that has ended leaves it
	if err := os.MkdirAll(broker, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"env", "server.properties"} {
		if err := os.WriteFile(filepath.Join(broker, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, verb := range []string{"kill", "term"} {
		t.Run(verb+" without a broker that runs is told, and no failure", func(t *testing.T) {
			out, err := call(filepath.Join(dir, "a"), verb, "broker")
			if want := "no broker runs in " + broker + "; nothing to do"; err != nil || !strings.Contains(out, want) {
				t.Errorf("%v: %s, want %s", err, out, want)
			}
		})
	}
	t.Run("of a folder that is not there fails", func(t *testing.T) {
		if out, err := call(dir, "kill", "broker"); err == nil || !strings.Contains(out, "no folder broker") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("takes a folder from where it is called, whatever CDPATH says", func(t *testing.T) {
		if err := os.MkdirAll(filepath.Join(dir, "other", "broker"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("CDPATH", filepath.Join(dir, "other"))
		out, err := call(filepath.Join(dir, "a"), "kill", "broker")
		if want := "no broker runs in " + broker + ";"; err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %s, want %s", err, out, want)
		}
	})
	t.Run("keeps its cache in one place, whatever folder it changes to", func(t *testing.T) {
		if _, err := exec.LookPath("java"); err != nil {
			t.Skip("there is no Java")
		}
		jars := filepath.Join(dir, "cache", "laneway", "kafka", "4.3.1")
		if err := os.MkdirAll(jars, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(jars, "pom.xml"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Setenv("XDG_CACHE_HOME", "cache")
		if out, err := call(dir, "fetch", "4.3.1"); err != nil || strings.TrimSpace(out) != filepath.Join(jars, "libs") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("run without a command says what is missing", func(t *testing.T) {
		for _, args := range [][]string{{"run", "4.3.1"}, {"run", "4.3.1", "--"}} {
			if out, err := call(dir, args...); err == nil || !strings.Contains(out, "nothing to do: run VERSION needs '--' and a command") {
				t.Errorf("%v: %v: %s", args, err, out)
			}
		}
	})
	t.Run("stop of an empty folder says that no broker is in it", func(t *testing.T) {
		if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := call(dir, "stop", "empty"); err != nil || !strings.Contains(out, "no broker is in "+filepath.Join(dir, "empty")) {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("stop removes the folder", func(t *testing.T) {
		if out, err := call(dir, "stop", "a/broker"); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		if _, err := os.Stat(broker); !os.IsNotExist(err) {
			t.Error(err)
		}
	})
}
