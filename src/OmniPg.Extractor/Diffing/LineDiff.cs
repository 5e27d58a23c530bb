namespace OmniPg.Extractor.Diffing;

/// <summary>Shortest edit script between two texts (Myers' algorithm), line by line.</summary>
internal static class LineDiff
{
    // Beyond this many edits nobody reads line by line, and time and memory grow with the square.
    private const int MaximumEdits = 2000;

    public static List<LineEdit> Run(string[] left, string[] right)
    {
        var start = 0;
        while (start < left.Length && start < right.Length && left[start] == right[start])
            start++;
        var end = 0;
        while (end < left.Length - start && end < right.Length - start && left[^(end + 1)] == right[^(end + 1)])
            end++;
        var edits = new List<LineEdit>();
        for (var i = 0; i < start; i++)
            edits.Add(new LineEdit(' ', i, i));
        AddMiddle(edits, left.AsSpan(start..(left.Length - end)), right.AsSpan(start..(right.Length - end)), start);
        for (var i = end; i > 0; i--)
            edits.Add(new LineEdit(' ', left.Length - i, right.Length - i));
        return edits;
    }

    private static void AddMiddle(List<LineEdit> edits, ReadOnlySpan<string> left, ReadOnlySpan<string> right, int offset)
    {
        var trace = Forward(left, right);
        var middle = trace is null ? ReplaceAll(left.Length, right.Length) : Backward(trace, left.Length, right.Length);
        foreach (var edit in middle)
            edits.Add(new LineEdit(edit.Mark, edit.Left + offset, edit.Right + offset));
    }

    // Furthest reaching points per diagonal, one array per number of edits.
    private static List<int[]>? Forward(ReadOnlySpan<string> left, ReadOnlySpan<string> right)
    {
        var most = Math.Min(left.Length + right.Length, MaximumEdits);
        var reach = new int[(2 * most) + 3];
        var trace = new List<int[]>();
        for (var edits = 0; edits <= most; edits++)
        {
            for (var k = -edits; k <= edits; k += 2)
            {
                var down = k == -edits || (k != edits && reach[most + k] < reach[most + k + 2]);
                var x = down ? reach[most + k + 2] : reach[most + k] + 1;
                var y = x - k;
                while (x < left.Length && y < right.Length && left[x] == right[y])
                    (x, y) = (x + 1, y + 1);
                reach[most + k + 1] = x;
                if (x >= left.Length && y >= right.Length)
                {
                    trace.Add(reach[(most - edits)..(most + edits + 3)]);
                    return trace;
                }
            }
            trace.Add(reach[(most - edits)..(most + edits + 3)]);
        }
        return null;
    }

    private static List<LineEdit> Backward(List<int[]> trace, int x, int y)
    {
        var script = new List<LineEdit>();
        for (var edits = trace.Count - 1; edits > 0; edits--)
        {
            var before = trace[edits - 1];
            int Reach(int diagonal) => before[diagonal + edits];
            var k = x - y;
            var down = k == -edits || (k != edits && Reach(k - 1) < Reach(k + 1));
            var (px, py) = down ? (Reach(k + 1), Reach(k + 1) - (k + 1)) : (Reach(k - 1), Reach(k - 1) - (k - 1));
            var (sx, sy) = down ? (px, py + 1) : (px + 1, py);
            while (x > sx && y > sy)
                script.Add(new LineEdit(' ', --x, --y));
            script.Add(down ? new LineEdit('+', px, py) : new LineEdit('-', px, py));
            (x, y) = (px, py);
        }
        while (x > 0 && y > 0)
            script.Add(new LineEdit(' ', --x, --y));
        script.Reverse();
        return script;
    }

    private static IEnumerable<LineEdit> ReplaceAll(int left, int right) =>
        Enumerable.Range(0, left).Select(static i => new LineEdit('-', i, 0)).Concat(Enumerable.Range(0, right).Select(i => new LineEdit('+', left, i)));
}
