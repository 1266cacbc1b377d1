// Package invariant holds the one way Troupe states what must be true. A failed check panics: the supervisor restarts the
// actor that failed, the panic is counted and visible, and a test that meets one fails.
package invariant

import "fmt"

// Violation is the panic value of a failed check.
type Violation struct{ What string }

func (v Violation) Error() string { return "invariant violated: " + v.What }

// Check panics with a Violation unless cond holds. The format's arguments are only evaluated by the caller, so keep them
// cheap on hot paths, or guard with a plain if and call Fail.
func Check(cond bool, format string, args ...any) {
	if !cond {
		Fail(format, args...)
	}
}

// Fail panics with a Violation.
func Fail(format string, args ...any) {
	panic(Violation{What: fmt.Sprintf(format, args...)})
}
