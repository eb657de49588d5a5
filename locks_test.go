package laneway_test

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestArchitectureListsEveryLock holds the section of ARCHITECTURE.md on locks to the tree, both
// ways.
func TestArchitectureListsEveryLock(t *testing.T) {
	_, section, ok := strings.Cut(read(t, "ARCHITECTURE.md"), "\n## Locks\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no section on locks")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	listed := map[string]bool{}
	for i, code := range strings.Split(section, "`") {
		if i%2 == 1 && strings.Contains(code, ".") {
			listed[code] = true
		}
	}
	for _, lock := range locks(t) {
		if !listed[lock] {
			t.Errorf("ARCHITECTURE.md does not list the lock `%s`: say what it is taken before", lock)
		}
		delete(listed, lock)
	}
	for lock := range listed {
		t.Errorf("ARCHITECTURE.md lists the lock `%s`, which is not there", lock)
	}
}

// locks returns the fields of the library that are a mutex: type.field in package stream,
// package.type.field elsewhere.
func locks(t *testing.T) (all []string) {
	for _, r := range rooms(t) {
		if slices.Contains(forTests, r.dir) || r.dir == "stream/streamtest" || strings.HasPrefix(r.dir, "examples") || strings.HasPrefix(r.dir, "bench") {
			continue
		}
		prefix := path.Base(r.dir) + "."
		if r.dir == "stream" {
			prefix = ""
		}
		for _, f := range r.files {
			if f.test {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				if s, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range s.Fields.List {
						for _, name := range field.Names {
							if isLock(field.Type) {
								all = append(all, prefix+spec.Name.Name+"."+name.Name)
							}
						}
					}
				}
				return true
			})
		}
	}
	return all
}

func isLock(typ ast.Expr) bool {
	sel, ok := typ.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "sync" && (sel.Sel.Name == "Mutex" || sel.Sel.Name == "RWMutex")
}
