using System.Globalization;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Differences in the form of <c>diff -u</c>.</summary>
internal static class UnifiedDiff
{
    public static string Write(string leftName, string rightName, string[] left, string[] right, int context)
    {
        var edits = LineDiff.Run(left, right);
        var text = new StringBuilder();
        for (var at = 0; at < edits.Count;)
        {
            if (edits[at].Mark == ' ')
            {
                at++;
                continue;
            }
            var end = HunkEnd(edits, at, context);
            WriteHunk(text, edits, Math.Max(0, at - context), end, left, right);
            at = end;
        }
        if (text.Length == 0)
            return "";
        return $"--- {(left.Length == 0 ? "/dev/null" : leftName)}\n+++ {(right.Length == 0 ? "/dev/null" : rightName)}\n{text}";
    }

    // Changes closer than twice the context share a hunk.
    private static int HunkEnd(List<LineEdit> edits, int first, int context)
    {
        var last = first;
        for (var at = first; at < edits.Count && at - last <= (2 * context) + 1; at++)
        {
            if (edits[at].Mark != ' ')
                last = at;
        }
        return Math.Min(edits.Count, last + context + 1);
    }

    private static void WriteHunk(StringBuilder text, List<LineEdit> edits, int start, int end, string[] left, string[] right)
    {
        var hunk = edits[start..end];
        var (leftCount, rightCount) = (hunk.Count(static e => e.Mark != '+'), hunk.Count(static e => e.Mark != '-'));
        text.Append(CultureInfo.InvariantCulture,
            $"@@ -{Start(hunk[0].Left, leftCount)},{leftCount} +{Start(hunk[0].Right, rightCount)},{rightCount} @@\n");
        foreach (var edit in hunk)
            text.Append(edit.Mark).Append(edit.Mark == '+' ? right[edit.Right] : left[edit.Left]).Append('\n');
    }

    private static int Start(int index, int count) => count == 0 ? index : index + 1;

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

    /// <summary>A stretch of lines: kept in both, or present on one side only.</summary>
    internal readonly record struct LineEdit(char Mark, int Left, int Right);
}
