/* Walks of rows down a tree, several at once.
 *   T         float or double
 *   NODE      struct ct_tree_node_…
 *   FN(name)  name of a function
 * Defines FN(walk): the leaves that n rows (1 to TREE_LANES) of x reach in at most `depth` steps
 * from `root`. */

static inline __attribute__((always_inline)) void FN(steps)(const NODE *nodes, const uint8_t *ops,
                                                            int same_ops, int32_t root,
                                                            int32_t depth, const T *const *rows,
                                                            int32_t *at)
{
    for (int r = 0; r < TREE_LANES; r++)
        at[r] = root;
    for (int32_t d = 0; d < depth; d += 4) {
        int32_t moved = 0;
        for (int k = 0; k < 4; k++) {
            moved = 0;
            for (int r = 0; r < TREE_LANES; r++) {
                const NODE *node = &nodes[at[r]];
                T x = rows[r][node->feature];
                bool yes;
                if (same_ops == (CT_TREE_LESS | CT_TREE_EQUAL)) {
                    yes = x <= node->split;
                } else if (same_ops == CT_TREE_LESS) {
                    yes = x < node->split;
                } else {
                    unsigned o = ops[at[r]];
                    unsigned less = x < node->split, equal = x == node->split, nan = x != x;
                    unsigned compared = ((less & o) | (equal & o >> 1)) ^ (o >> 2 & 1);
                    yes = (nan ? o >> 3 & 1 : compared) != 0;
                }
                int32_t next = node->next[!yes];
                moved |= next ^ at[r];
                at[r] = next;
            }
        }
        if (!moved) /* all have come to a leaf */
            break;
    }
}

static void FN(walk)(const NODE *nodes, const struct ct_forest *f, int64_t tree,
                     const T *const *rows, int32_t *at)
{
    int32_t root = f->roots[tree], depth = f->depths[tree];
    if (f->same_ops == (CT_TREE_LESS | CT_TREE_EQUAL))
        FN(steps)(nodes, f->ops, CT_TREE_LESS | CT_TREE_EQUAL, root, depth, rows, at);
    else if (f->same_ops == CT_TREE_LESS)
        FN(steps)(nodes, f->ops, CT_TREE_LESS, root, depth, rows, at);
    else
        FN(steps)(nodes, f->ops, -1, root, depth, rows, at);
}

#undef T
#undef NODE
#undef FN
