package cli

import (
	"context"
	"slices"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/etcdv2"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// ruleStray is the rule of findings about keys that are not objects of a usable
// type.
const ruleStray = "stray-key"

// v2Source returns the source that reads the keys of the Python tool from an etcd
// v2 API. It is not strict: objects that cannot be imported are left out, because
// few sites could migrate otherwise. Keys that are not objects are left out and
// reported, too: all of them if all is true, otherwise those below the paths of
// types.
func v2Source(std term.Streams, a *app.App, o importOptions, types []*schema.Type, all bool) (source, error) {
	c, err := v2Config(std, a, o)
	if err != nil {
		return source{}, err
	}
	read := func(ctx context.Context) (dump.Dump, []*yamldoc.Error, error) {
		entries, err := etcdv2.Read(ctx, c, a.Settings.Namespace+"/"+a.Settings.APIVersion)
		if err != nil {
			return dump.Dump{}, nil, err
		}
		found := a.Catalog.Decode(entries, a.Schema.Types()...)
		found.Objects = slices.DeleteFunc(found.Objects, func(o object.Object) bool { return !slices.Contains(types, o.Type) })
		d, left := dump.Of(a.Schema, types, found, a.Catalog.Key)
		left = append(left, strayErrors(a, slices.DeleteFunc(found.Strays, func(key string) bool { return !all && !isUnder(a.Catalog, key, types) }))...)
		return d, left, nil
	}
	return source{name: o.fromV2, title: o.fromV2, read: read}, nil
}

// strayErrors returns an error for each key that explains why it is not an object.
func strayErrors(a *app.App, keys []string) []*yamldoc.Error {
	usable := a.Schema.Types()
	var left []*yamldoc.Error
	for _, key := range keys {
		why := "no object of any type"
		for _, t := range a.Schema.Declared() {
			if !slices.Contains(usable, t) && len(a.Catalog.Outside([]string{key}, t.Path)) == 0 {
				why = "its type " + t.Name + " cannot be used, see the schema"
			}
		}
		left = append(left, &yamldoc.Error{Pos: yamldoc.Pos{File: key}, Msg: why, Rule: ruleStray})
	}
	return left
}

// isUnder reports whether a key is below the path of one of the types.
func isUnder(c *catalog.Catalog, key string, types []*schema.Type) bool {
	return slices.ContainsFunc(types, func(t *schema.Type) bool { return len(c.Outside([]string{key}, t.Path)) == 0 })
}

// v2Config returns the URL, credentials and TLS configuration for the etcd v2 API.
// The user and password come from --v2-etcdrc or, with the etcd driver, from the
// configured etcdrc if the URL is one of its endpoints, so that the password of
// one server is not sent to another. The client certificate is used with any
// server, because presenting it reveals no secret.
func v2Config(std term.Streams, a *app.App, o importOptions) (etcdv2.Config, error) {
	c := etcdv2.Config{URL: o.fromV2}
	rc, own := config.Etcdrc{}, o.etcdrc != ""
	var err error
	switch {
	case own:
		rc, err = config.ReadEtcdrc(o.etcdrc)
	case a.Settings.Driver == "etcd":
		if rc, err = a.Settings.Etcdrc(std.Warn); err == nil {
			own, err = rc.Serves(o.fromV2, a.Settings.Hosts)
		}
	}
	if err != nil {
		return c, err
	}
	cert, key, err := rc.Certificate()
	if err != nil {
		return c, err
	}
	if own {
		c.Username, c.Password = rc.Username(), rc.Password()
	}
	c.TLS, err = etcd.TLS(rc.CACert(), cert, key)
	return c, err
}
