package object_test

import (
	"fmt"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// A plan is a value with each object before and after the change. Making it
// writes nothing.
func ExampleSet() {
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		fmt.Println(err)
		return
	}
	web1 := object.New(node, []string{"north", "web", "http"}, "web1")
	assignments, err := object.ParseAssignments(node, "pooled=yes:weight=10")
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := object.Set([]object.Object{web1}, assignments)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range plan.Changes {
		for _, f := range c.Fields() {
			fmt.Println(c.Object(), f.Name, f.Before.Text(), f.After.Text())
		}
	}
	// Unordered output:
	// node north/web/http/web1 pooled "inactive" "yes"
	// node north/web/http/web1 weight 0 10
}
