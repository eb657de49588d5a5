package demo

import "fmt"

// Stretch is a range of consecutive offsets.
type Stretch struct{ From, To int64 }

func (s Stretch) String() string { return fmt.Sprintf("%d…%d", s.From, s.To) }

// Stretches splits offsets where they are not consecutive.
func Stretches(offsets []int64) []Stretch {
	ss := []Stretch{}
	for _, o := range offsets {
		if n := len(ss); n > 0 && ss[n-1].To+1 == o {
			ss[n-1].To = o
			continue
		}
		ss = append(ss, Stretch{o, o})
	}
	return ss
}
