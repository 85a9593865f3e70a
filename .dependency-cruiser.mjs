/** For dependency-cruiser's own command line, which draws graphs: `depcruise engine -T dot`. The rules: scripts/importRules.ts. */
import { cruiseOptions, forbidden, resolveOptions } from "./scripts/importRules.ts";

export default { forbidden, options: { ...cruiseOptions, enhancedResolveOptions: resolveOptions } };
