package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
)

const root = "../../.."

// The file is loaded like docker compose does, which checks it against the schema of the Compose
// Specification.
func TestComposeFile(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	published := map[string]string{}
	for name, s := range project.Services {
		if _, tag, ok := strings.Cut(s.Image, ":"); !ok || !regexp.MustCompile(`^v?[0-9]+\.[0-9]+`).MatchString(tag) {
			t.Errorf("%s: the image %s is not pinned", name, s.Image)
		}
		if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		for _, p := range s.Ports {
			if other := published[p.Published]; other != "" {
				t.Errorf("%s and %s both publish port %s", name, other, p.Published)
			}
			published[p.Published] = name
		}
		for _, v := range s.Volumes {
			if v.Type == "bind" {
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s mounts a missing file: %v", name, err)
				}
			}
		}
	}
	for _, name := range []string{"kafka", "jaeger", "prometheus", "grafana", "worker"} {
		if _, there := project.Services[name]; !there {
			t.Errorf("missing service %s", name)
		}
	}
}

func TestDashboard(t *testing.T) {
	// A renamed metric would leave a panel empty.
	t.Run("queries existing metrics", func(t *testing.T) {
		panels, err := read(filepath.Join(root, "deploy/grafana/laneway.json"))
		if err != nil {
			t.Fatal(err)
		}
		if n := queries(panels); n < 20 {
			t.Errorf("%d queries in %d panels", n, len(panels))
		}
		for _, p := range panels {
			for _, target := range p.Targets {
				if !strings.Contains(target.Expr, "laneway_") || strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
					t.Errorf("%s asks for %s", p.Title, target.Expr)
				}
			}
		}
	})
}
