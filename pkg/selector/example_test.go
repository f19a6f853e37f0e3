package selector_test

import (
	"fmt"

	"github.com/conftool/confctl/pkg/selector"
)

// Each regular expression must match the whole value of its tag.
func ExampleParse() {
	s, err := selector.Parse("dc=north,name=web[12]", []string{"dc", "cluster", "service"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Match([]string{"north", "web", "http"}, "web1"))
	fmt.Println(s.Match([]string{"north", "web", "http"}, "web12"))

	_, err = selector.Parse("clutser=web", []string{"dc", "cluster", "service"})
	fmt.Println(err)
	// Output:
	// true
	// false
	// selector "clutser=web": no tag "clutser" (did you mean cluster?)
}
