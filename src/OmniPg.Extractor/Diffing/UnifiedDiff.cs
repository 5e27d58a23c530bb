using System.Globalization;
using System.Text;

namespace OmniPg.Extractor.Diffing;

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
}
