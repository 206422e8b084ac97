# The checker: everything that has to hold of a diagram before anything runs, as a row of small functions. Each refuses the
# first thing that is wrong, and relies on those before it. Two things that the canonical form resolves may still be open:
# the names of agreements and commutes, and a divergence's `axis`.

const CHECKS = (check_limits, check_names, check_spaces, check_sources, check_components, check_arrows, check_terms,
                check_composition, check_agreements, check_commutes, check_outputs, check_expansion)

"""
    check(diagram)

Refuse a diagram that means nothing: a `BridgeError` names the element, what was expected of it and what was found. A
diagram that came from a `Builder` or a file has been checked; checking it again costs nothing.
"""
function check(d::Diagram)
    if !d.memo.checked
        foreach(rule -> rule(d), CHECKS)
        d.memo.checked = true
    end
    return nothing
end
