package stream

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
)

// nameSteps gives each node that runs a name: the user's, its function's, or its word and place.
func (p *plan) nameSteps() {
	taken := map[string]bool{}
	for _, n := range p.nodes {
		if n.opts.named {
			taken[n.opts.name] = true
		}
	}
	for i, n := range p.nodes {
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
		p.steps[n] = &stepPlan{name: name, stage: i}
	}
}

// funcName is the name of a function as its author wrote it; empty for a literal.
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
	// the compiler's: func1, or 1 within it
	if literal := strings.TrimPrefix(name, "func"); literal == "" || literal[0] >= '0' && literal[0] <= '9' {
		return ""
	}
	return name
}
