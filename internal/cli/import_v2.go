package cli

import (
	"context"
	"slices"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/pkg/dump"
	"github.com/conftool/confctl/pkg/etcdv2"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// ruleStray is of keys that are no object of a type that can be used.
const ruleStray = "stray-key"

// v2Source is the keys of the Python tool. What does not fit the schema is left
// out, as a site can hardly be moved in one go otherwise. So are keys that are no
// objects: all, if all types are meant, else those at the paths of the types.
func (s *session) v2Source(o importOptions, types []*schema.Type, all bool) (source, error) {
	c, err := s.v2Config(o)
	if err != nil {
		return source{}, err
	}
	read := func(ctx context.Context) (dump.Dump, []*yamldoc.Error, error) {
		entries, err := etcdv2.Read(ctx, c, s.Settings.Namespace+"/"+s.Settings.APIVersion)
		if err != nil {
			return dump.Dump{}, nil, err
		}
		found := s.Catalog.Decode(entries, s.Schema.Types()...)
		found.Objects = slices.DeleteFunc(found.Objects, func(o object.Object) bool { return !slices.Contains(types, o.Type) })
		d, left := dump.Of(s.Schema, types, found, s.Catalog.Key)
		left = append(left, s.strays(slices.DeleteFunc(found.Strays, func(key string) bool { return !all && !s.under(key, types) }))...)
		return d, left, nil
	}
	return source{name: o.fromV2, title: o.fromV2, read: read}, nil
}

// strays says of keys why they are no objects.
func (s *session) strays(keys []string) []*yamldoc.Error {
	usable := s.Schema.Types()
	var left []*yamldoc.Error
	for _, key := range keys {
		why := "no object of any type"
		for _, t := range s.Schema.Declared() {
			if !slices.Contains(usable, t) && len(s.Catalog.Outside([]string{key}, t.Path)) == 0 {
				why = "its type " + t.Name + " cannot be used, see the schema"
			}
		}
		left = append(left, &yamldoc.Error{Pos: yamldoc.Pos{File: key}, Msg: why, Rule: ruleStray})
	}
	return left
}

// under reports whether a key is at the path of one of some types.
func (s *session) under(key string, types []*schema.Type) bool {
	return slices.ContainsFunc(types, func(t *schema.Type) bool { return len(s.Catalog.Outside([]string{key}, t.Path)) == 0 })
}

// v2Config says where the API is and as whom to ask it. The password of one
// server is not sent to another. Certificates may be shown to any: they give
// nothing away.
func (s *session) v2Config(o importOptions) (etcdv2.Config, error) {
	c := etcdv2.Config{URL: o.fromV2}
	rc, own := config.Etcdrc{}, o.etcdrc != ""
	var err error
	switch {
	case own:
		rc, err = config.ReadEtcdrc(o.etcdrc)
	case s.Settings.Driver == "etcd":
		if rc, err = s.Settings.Etcdrc(s.Warn); err == nil {
			own, err = rc.Serves(o.fromV2, s.Settings.Hosts)
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
