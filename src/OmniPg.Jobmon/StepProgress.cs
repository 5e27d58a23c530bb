using System.Globalization;
using System.Text;

namespace OmniPg.Jobmon;

/// <summary>Progress of a step.</summary>
/// <param name="Current">Units done so far.</param>
/// <param name="Total">Units to do; null when not known.</param>
/// <param name="Unit">Name of the unit, for example <c>rows</c>; null for none.</param>
/// <param name="Message">Text to show; null lets the package write one from the numbers.</param>
public readonly record struct StepProgress(long Current, long? Total = null, string? Unit = null, string? Message = null)
{
    /// <summary>Units per second, on average since the step began; 0 before the first report. Only set when read from a step.</summary>
    public double Rate { get; init; }

    /// <summary>Estimated time to the end at this rate; null without a total or a rate.</summary>
    public TimeSpan? Remaining { get; init; }

    /// <summary>Done part between 0 and 1; null without a total.</summary>
    public double? Fraction => Total is > 0 and { } total ? Math.Clamp((double)Current / total, 0, 1) : null;

    /// <summary>One line for the step's message, for example <c>500 of 2,000 rows (25 %), 120 rows/s, 00:00:12 left</c>.</summary>
    internal string ToText()
    {
        var text = new StringBuilder();
        if (Message is { } message)
            text.Append(message).Append(" (");
        AppendNumbers(text);
        if (Message is not null)
            text.Append(')');
        return text.ToString();
    }

    private void AppendNumbers(StringBuilder text)
    {
        var culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"{Current:N0}");
        if (Total is { } total)
            text.Append(culture, $" of {total:N0}");
        if (Unit is { } unit)
            text.Append(' ').Append(unit);
        if (Fraction is { } fraction)
            text.Append(culture, $" ({Math.Floor(fraction * 100):N0} %)");
        if (Rate > 0)
            text.Append(culture, $", {Rounded(Rate)}{(Unit is null ? "" : " ")}{Unit}/s");
        if (Remaining is { } remaining && Current < Total)
            text.Append(culture, $", {(remaining.TotalDays >= 1 ? remaining.ToString("d\\.hh\\:mm\\:ss", culture) : remaining.ToString("hh\\:mm\\:ss", culture))} left");
    }

    private static string Rounded(double rate) => rate.ToString(rate < 10 ? "0.0" : "N0", CultureInfo.InvariantCulture);
}
