using System.Globalization;

namespace OmniPg.Jobmon;

/// <summary>One field of a cron schedule as a set of numbers below 64.</summary>
internal readonly record struct CronField(ulong Bits, bool IsStar)
{
    public bool Has(int value) => (Bits >> value & 1) != 0;

    /// <summary>Reads lists, ranges, steps and names (<c>1,10-20/5,*/15,MON-FRI</c>).</summary>
    public static CronField Parse(string text, int low, int high, string[] names)
    {
        ulong bits = 0;
        foreach (var part in text.Split(','))
        {
            var slash = part.IndexOf('/', StringComparison.Ordinal);
            var range = slash < 0 ? part : part[..slash];
            var step = slash < 0 ? 1 : Number(part[(slash + 1)..], 1, high, []);
            var dash = range.IndexOf('-', StringComparison.Ordinal);
            var (from, to) = range == "*" ? (low, high)
                : dash > 0 ? (Number(range[..dash], low, high, names), Number(range[(dash + 1)..], low, high, names))
                : (Number(range, low, high, names), slash < 0 ? Number(range, low, high, names) : high);
            if (to < from)
                throw new FormatException($"'{part}' counts backwards in a cron schedule.");
            for (var value = from; value <= to; value += step)
                bits |= 1UL << value;
        }
        return new CronField(bits, text.StartsWith('*'));
    }

    private static int Number(string text, int low, int high, string[] names)
    {
        var index = Array.FindIndex(names, n => n.Equals(text, StringComparison.OrdinalIgnoreCase));
        if (index >= 0)
            return index + low;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= low && value <= high
            ? value : throw new FormatException($"'{text}' is not a number from {low} to {high} in a cron schedule.");
    }
}
