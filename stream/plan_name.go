package stream

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
)

// nameSteps gives each step a name: the user's, or that of its function or sink, or its word. A
// name that is taken gets a number.
func (p *plan) nameSteps() {
	taken := map[string]bool{}
	for _, n := range p.nodes {
		if n.opts.named {
			taken[n.opts.name] = true
		}
	}
	for _, n := range p.nodes {
		if n.op.does() == plans {
			continue
		}
		name := n.name
		if n.opts.named {
			name = n.opts.name
		} else {
			if name == "" {
				name = strings.ToLower(n.word)
			}
			base := name
			for k := 2; taken[name]; k++ {
				name = fmt.Sprintf("%s-%d", base, k)
			}
			taken[name] = true
		}
		p.steps[n] = &stepPlan{name: name}
	}
}

// funcName returns the name of a function as its author wrote it; empty for a literal.
func funcName(f any) string {
	v := reflect.ValueOf(f)
	if !v.IsValid() || v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}
	name := runtime.FuncForPC(v.Pointer()).Name()
	// type arguments
	for open := strings.IndexByte(name, '['); open >= 0; open = strings.IndexByte(name, '[') {
		shut := strings.IndexByte(name, ']')
		if shut < open {
			return ""
		}
		name = name[:open] + name[shut+1:]
	}
	name = strings.TrimSuffix(name, "-fm")
	name = name[strings.LastIndexByte(name, '.')+1:]
	// the compiler names literals func1, and 1 inside of one
	if literal := strings.TrimPrefix(name, "func"); literal == "" || literal[0] >= '0' && literal[0] <= '9' {
		return ""
	}
	return name
}
