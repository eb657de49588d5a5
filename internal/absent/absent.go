// Package absent finds nil in an interface, which compares as non-nil.
package absent

import "reflect"

// Is reports whether v is nil, or an interface that has a nil pointer, func, map or channel. A nil
// slice counts as a value, since it works as an empty one.
func Is(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan:
		return r.IsNil()
	}
	return false
}

// Or returns v, or a nil interface in place of one that has a nil.
func Or[I any](v I) (none I) {
	if Is(v) {
		return none
	}
	return v
}
