namespace OmniPg.Shared;

/// <summary>Which known words a misspelt one may have meant.</summary>
internal static class EditDistance
{
    private const int Near = 2;

    /// <summary>A question to put behind a refusal: the known words that are at most two letters away, short spellings of options left out; empty when there is none.</summary>
    public static string Question(string word, IEnumerable<string> known)
    {
        var near = known.Where(k => (k[0] != '-' || k.Length > Near) && Between(k, word) <= Near).Distinct().ToList();
        return near.Count == 0 ? "" : $" Is '{string.Join("' or '", near)}' meant?";
    }

    /// <summary>How many letters must be added, removed or replaced to make one word of the other.</summary>
    private static int Between(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var (diagonal, _) = (row[0], row[0] = i);
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[^1];
    }
}
