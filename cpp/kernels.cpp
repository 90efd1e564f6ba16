// All kernels for one instruction set; compiled once for each, with AUREOLE_ISA naming its namespace.
#include "aureole/backproject.hpp"
#include "aureole/field.hpp"
#include "aureole/integrate.hpp"
#include "aureole/pick.hpp"
#include "aureole/project.hpp"
#include "aureole/rays.hpp"
#include "aureole/robust.hpp"
#include "aureole/row.hpp"
#include "aureole/share_sums.hpp"

#define AUREOLE_STRING_(x) #x
#define AUREOLE_STRING(x) AUREOLE_STRING_(x)

namespace aureole::AUREOLE_ISA {

extern const Kernels kernels;
const Kernels kernels = {AUREOLE_STRING(AUREOLE_ISA), decode, integrate, deviations, project,
                         field, bound, share, points, sum_shares, project_rays, backproject, robust, pick};

}  // namespace aureole::AUREOLE_ISA
