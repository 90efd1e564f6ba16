// The compiled core of Aureole; this file only registers.
#include <nanobind/nanobind.h>

namespace aureole {
void register_decode(nanobind::module_& m);
void register_integrate(nanobind::module_& m);
void register_pick(nanobind::module_& m);
void register_rays(nanobind::module_& m);
void register_robust(nanobind::module_& m);
void register_split(nanobind::module_& m);
}  // namespace aureole

NB_MODULE(_core, m) {
    aureole::register_decode(m);
    aureole::register_integrate(m);
    aureole::register_pick(m);
    aureole::register_rays(m);
    aureole::register_robust(m);
    aureole::register_split(m);
}
