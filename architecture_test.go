package laneway_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/laneway-go/laneway"

// room is a package of this repository, in whatever module.
type room struct {
	dir   string   // "." for the root
	files []source // tests too
}

type source struct {
	name string
	test bool
	ast  *ast.File
}

// rooms parses the repository.
func rooms(t *testing.T) (rs []*room) {
	t.Helper()
	byDir := map[string]*room{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		r := byDir[dir]
		if r == nil {
			r = &room{dir: dir}
			byDir[dir] = r
			rs = append(rs, r)
		}
		r.files = append(r.files, source{name, strings.HasSuffix(name, "_test.go"), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) < 10 {
		t.Fatalf("only %d packages were found: is this the root of the repository?", len(rs))
	}
	return rs
}

func (s source) imports() (paths []string) {
	for _, i := range s.ast.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			panic(err) // it was parsed
		}
		paths = append(paths, p)
	}
	return paths
}

// inward says which packages of ours each may import outside its tests. A package that is not here
// may import none: that is where the argument about a new one begins.
var inward = map[string][]string{
	"stream":                  {"internal/absent", "internal/backoff", "internal/fifo", "internal/lane", "internal/ledger", "internal/legible", "internal/outage", "internal/resume", "internal/window"},
	"stream/streamtest":       {"stream"},
	"ops":                     {"stream", "internal/deadletter", "internal/outage", "internal/legible"},
	"ops/zaplog":              {"stream", "ops"},
	"ops/oteltrace":           {"stream", "internal/legible"},
	"ops/prommetrics":         {"stream", "internal/legible"},
	"ops/admin":               {"stream", "ops/admin/adminapi", "internal/legible"},
	"ops/admin/adminapi":      {},
	"ops/console":             {"ops/admin"},
	"ops/internal/opstest":    {"stream", "stream/streamtest"},
	"sink":                    {"internal/absent", "stream/kafkaerr", "stream", "internal/deadletter", "internal/kafka/produce", "internal/kafka/transact", "internal/kafka/wire"},
	"source":                  {"stream/kafkaerr", "stream", "internal/backoff", "internal/kafka/batch", "internal/kafka/fetch", "internal/kafka/group", "internal/kafka/wire"},
	"internal/kafka/fetch":    {"stream/kafkaerr", "internal/backoff", "internal/kafka/batch", "internal/kafka/wire"},
	"internal/kafka/group":    {"stream/kafkaerr", "internal/backoff", "internal/kafka/wire"},
	"internal/kafka/inspect":  {"internal/backoff", "internal/kafka/fetch", "internal/kafka/wire"},
	"internal/kafka/produce":  {"stream/kafkaerr", "internal/backoff", "internal/kafka/batch", "internal/kafka/wire"},
	"internal/kafka/transact": {"stream/kafkaerr", "internal/backoff", "internal/kafka/produce", "internal/kafka/wire"},
	"stream/kafkaerr":         {},
	"internal/backoff":        {},
	"internal/fifo":           {},
	"internal/window":         {},
	"internal/lane":           {"internal/fifo"},
	"internal/ledger":         {},
	"internal/legible":        {},
	"internal/resume":         {},
	"internal/absent":         {},
	"internal/outage":         {},
	"internal/deadletter":     {},
	"internal/kafka/batch":    {"stream/kafkaerr"},
	"internal/kafka/wire":     {"stream/kafkaerr"},
	"internal/kafkatest":      {},
	"internal/conformance":    {"stream", "stream/streamtest"},
	"internal/consoletest":    {},
	"internal/crashtest":      {},
	"internal/sqltest":        {},
	"cmd/laneway":             {"internal/kafka/inspect", "internal/kafka/wire", "internal/resume", "stream/kafkaerr", "ops", "ops/admin/adminapi", "sink", "source", "stream"},
	"bench":                   {},
	"bench/internal/testbed":  {},
	"bench/peers":             {"bench/internal/testbed", "source", "stream"},
	"examples":                {},
	".":                       {},
}

// byExamples is what the programs under examples may import: what a user may, and what they share.
var byExamples = []string{"stream/kafkaerr", "ops", "ops/admin", "ops/console", "ops/oteltrace", "ops/prommetrics", "ops/zaplog", "sink", "source", "stream", "stream/streamtest",
	"examples/internal/demo", "examples/internal/demotest"}

func mayImport(dir string) []string {
	if strings.HasPrefix(dir, "examples/") {
		return byExamples
	}
	return inward[dir]
}

// forTests are the packages that only tests may import.
var forTests = []string{"internal/kafkatest", "internal/conformance", "internal/crashtest", "ops/internal/opstest"}

func TestImportsPointInward(t *testing.T) {
	for _, r := range rooms(t) {
		for _, f := range r.files {
			for _, p := range f.imports() {
				ours, ok := strings.CutPrefix(p, module+"/")
				if ok && !f.test && !slices.Contains(mayImport(r.dir), ours) {
					t.Errorf("%s imports %s, which %s may not", f.name, ours, r.dir)
				}
			}
		}
	}
}

// What a user's worker links is kafka-go, kmsg's spelling of the protocol, and few more: a second
// client or a broker belongs to tests.
func TestTheLibraryHasOneKafkaClient(t *testing.T) {
	for _, r := range rooms(t) {
		if slices.Contains(forTests, r.dir) || strings.HasPrefix(r.dir, "examples") || strings.HasPrefix(r.dir, "bench") {
			continue
		}
		for _, f := range r.files {
			for _, p := range f.imports() {
				if f.test {
					continue
				}
				if strings.HasPrefix(p, "github.com/twmb/franz-go") && p != "github.com/twmb/franz-go/pkg/kmsg" {
					t.Errorf("%s imports %s outside a test", f.name, p)
				}
				if p == "testing" || slices.Contains(forTests, strings.TrimPrefix(p, module+"/")) {
					t.Errorf("%s imports %s, which is for tests", f.name, p)
				}
			}
		}
	}
}

// exporters are what only the observer that is named for it may bring into a worker.
var exporters = map[string]string{
	"go.uber.org/zap":                     "ops/zaplog",
	"go.opentelemetry.io/otel":            "ops/oteltrace",
	"github.com/prometheus/client_golang": "ops/prommetrics",
}

func TestExporters(t *testing.T) {
	t.Run("are compiled only with the observer that is named for them", func(t *testing.T) {
		for _, pkg := range []string{"stream", "source", "sink", "ops", "ops/zaplog", "ops/oteltrace", "ops/prommetrics", "cmd/laneway"} {
			out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+pkg).Output()
			if err != nil {
				t.Fatal(err)
			}
			for dep := range strings.FieldsSeq(string(out)) {
				for exporter, by := range exporters {
					if by != pkg && (dep == exporter || strings.HasPrefix(dep, exporter+"/")) {
						t.Errorf("%s imports %s by some way: only %s may", pkg, dep, by)
					}
				}
			}
		}
	})
}

// kafka-go's messages are what handlers get; its reader, group and client calls are not what
// Laneway is built on (see ARCHITECTURE.md).
func TestOnlyTheKafkaRoomsKnowTheProtocol(t *testing.T) {
	for _, r := range rooms(t) {
		if strings.HasPrefix(r.dir, "internal/kafka") {
			continue
		}
		for _, f := range r.files {
			for _, p := range f.imports() {
				if !f.test && (strings.HasPrefix(p, "github.com/segmentio/kafka-go/") && !strings.HasPrefix(r.dir, "cmd/") || strings.HasSuffix(p, "/kmsg") && !strings.HasPrefix(r.dir, "examples")) {
					t.Errorf("%s imports %s", f.name, p)
				}
			}
		}
	}
}

// A goroutine that conc did not start has no owner that waits for it and carries its panic.
func TestGoroutinesAreStartedThroughConc(t *testing.T) {
	for _, r := range rooms(t) {
		for _, f := range r.files {
			if f.test {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if _, ok := n.(*ast.GoStmt); ok {
					t.Errorf("%s has a go statement in it: use a conc.WaitGroup of an owner that waits", f.name)
				}
				return true
			})
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, r := range rooms(t) {
		if !slices.ContainsFunc(r.files, func(f source) bool { return !f.test && f.ast.Doc != nil }) {
			t.Errorf("%s has no package comment", r.dir)
		}
	}
}

func TestArchitectureListsEveryPackage(t *testing.T) {
	doc, examples := read(t, "ARCHITECTURE.md"), read(t, "examples/README.md")
	for _, r := range rooms(t) {
		if number := regexp.MustCompile(`^examples/([0-9]+_[a-z_]+)$`).FindStringSubmatch(r.dir); number != nil {
			if !strings.Contains(examples, "["+number[1]+"]("+number[1]+")") {
				t.Errorf("examples/README.md has no line for [%s](%[1]s)", number[1])
			}
			continue
		}
		if r.dir != "." && !strings.Contains(doc, "`"+r.dir+"/`") {
			t.Errorf("ARCHITECTURE.md has no line for `%s/`", r.dir)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z][a-z0-9/]*/)`").FindAllStringSubmatch(doc, -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("ARCHITECTURE.md speaks of `%s`, which is not there", m[1])
		}
	}
}

// A map that sends its reader to a file that was renamed is worse than none.
func TestArchitectureNamesFilesThatAreThere(t *testing.T) {
	there := map[string]bool{}
	for _, r := range rooms(t) {
		for _, f := range r.files {
			there[path.Base(filepath.ToSlash(f.name))] = true
		}
	}
	for _, m := range regexp.MustCompile("`([a-z_]+\\.go)`").FindAllStringSubmatch(read(t, "ARCHITECTURE.md"), -1) {
		if !there[m[1]] {
			t.Errorf("ARCHITECTURE.md speaks of %s, which is not there", m[1])
		}
	}
}

// The chain that README shows is the one that its first command runs.
func TestReadmeShowsTheQuickstartsChain(t *testing.T) {
	readme := words(read(t, "README.md"))
	main := read(t, "examples/quickstart/main.go")
	begin, end := strings.Index(main, "Map(ops.JSON"), strings.Index(main, "CommitEvery(1000, time.Second)")
	if begin < 0 || end < begin {
		t.Fatal("examples/quickstart/main.go has lost its chain")
	}
	for line := range strings.Lines(main[begin:end]) {
		if code, _, _ := strings.Cut(line, "//"); !strings.Contains(readme, words(code)) {
			t.Errorf("README.md does not have %q", strings.TrimSpace(code))
		}
	}
	for _, command := range []string{"GOTOOLCHAIN=auto go run ./examples/quickstart", "GOTOOLCHAIN=auto go test ./... ./examples/..."} {
		if !strings.Contains(readme, command) {
			t.Errorf("README.md does not have the command %q", command)
		}
	}
}

// The table that a reader chooses from shows the chains that run: their words, in their order.
func TestExamplesReadmeShowsTheirChains(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| \[([0-9]+_[a-z_]+)\].*\| ([^|]*) \|$`).FindAllStringSubmatch(read(t, "examples/README.md"), -1)
	if len(rows) == 0 {
		t.Fatal("examples/README.md has lost its table")
	}
	word := regexp.MustCompile(`(?:^|\.)([A-Z][A-Za-z]+)\(`)
	for _, row := range rows {
		chain := regexp.MustCompile("^`([^`]*)`").FindStringSubmatch(row[2])
		if chain == nil {
			continue // it says in words where its chain is
		}
		_, rest, _ := strings.Cut(read(t, "examples/"+row[1]+"/main.go"), "source.Kafka(")
		for _, w := range word.FindAllStringSubmatch(chain[1], -1) {
			var found bool
			if _, rest, found = strings.Cut(rest, w[1]+"("); !found {
				t.Errorf("examples/README.md shows %s in the chain of %s, where main.go does not have it", w[1], row[1])
				break
			}
		}
	}
}

// words makes texts comparable whatever their white space.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(fmt.Errorf("%w: tests of the repository run in its root", err))
	}
	return string(b)
}
