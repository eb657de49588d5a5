package laneway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A file cycle is a set of files of one package, each of which uses names of all others, directly
// or through the set. Who reads one has to know all of them, so the largest must stay small.
const cycleMax = 18

func TestFileCycles(t *testing.T) {
	for _, r := range rooms(t) {
		if strings.HasPrefix(r.dir, "examples") || strings.HasPrefix(r.dir, "bench") {
			continue
		}
		t.Run(r.dir, func(t *testing.T) {
			largest := largestCycle(fileArrows(t, r.dir))
			if len(largest) > cycleMax {
				t.Errorf("%d files lead to one another, at most %d may: %v", len(largest), cycleMax, largest)
			}
		})
	}
}

// fileArrows says which files of a package use names that are declared in which others.
func fileArrows(t *testing.T, dir string) map[string]map[string]bool {
	t.Helper()
	fset := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	// imports are hollow, so that there are errors
	conf := types.Config{Importer: hollow{}, Error: func(error) {}}
	pkg, _ := conf.Check(dir, fset, files, info)
	arrows := map[string]map[string]bool{}
	for id, to := range info.Uses {
		v, isVar := to.(*types.Var)
		local := isVar && !v.IsField() && v.Parent() != pkg.Scope()
		if _, isType := to.(*types.TypeName); isType && to.Parent() != pkg.Scope() {
			local = true // a type parameter
		}
		if to.Pkg() != pkg || local {
			continue
		}
		from, at := filepath.Base(fset.Position(id.Pos()).Filename), filepath.Base(fset.Position(to.Pos()).Filename)
		if from != at {
			if arrows[from] == nil {
				arrows[from] = map[string]bool{}
			}
			arrows[from][at] = true
		}
	}
	return arrows
}

// hollow imports packages without content: what is declared in them is no file of this one.
type hollow struct{}

func (hollow) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, filepath.Base(path))
	p.MarkComplete()
	return p, nil
}

// largestCycle is the largest strongly connected part of a graph (Tarjan, 1972), sorted; nil where
// every part is a single file.
func largestCycle(arrows map[string]map[string]bool) (largest []string) {
	index, low, on := map[string]int{}, map[string]int{}, map[string]bool{}
	var stack []string
	var visit func(v string)
	visit = func(v string) {
		index[v] = len(index) + 1
		low[v] = index[v]
		stack, on[v] = append(stack, v), true
		for w := range arrows[v] {
			if index[w] == 0 {
				visit(w)
				low[v] = min(low[v], low[w])
			} else if on[w] {
				low[v] = min(low[v], index[w])
			}
		}
		if low[v] < index[v] {
			return
		}
		at := slices.Index(stack, v)
		part := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, w := range part {
			on[w] = false
		}
		if len(part) > max(1, len(largest)) {
			slices.Sort(part)
			largest = part
		}
	}
	for _, v := range slices.Sorted(maps.Keys(arrows)) {
		if index[v] == 0 {
			visit(v)
		}
	}
	return largest
}
