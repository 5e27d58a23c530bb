using System.Globalization;
using System.Text;

namespace OmniPg.Jobmon;

/// <summary>Progress as one line for the step's message, for example <c>500 of 2,000 rows (25 %), 120 rows/s, 00:00:12 left</c>.</summary>
internal static class ProgressText
{
    public static string Of(StepProgress progress)
    {
        var text = new StringBuilder();
        if (progress.Message is { } message)
            text.Append(message).Append(" (");
        AppendNumbers(text, progress);
        if (progress.Message is not null)
            text.Append(')');
        return text.ToString();
    }

    private static void AppendNumbers(StringBuilder text, StepProgress progress)
    {
        var culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"{progress.Current:N0}");
        if (progress.Total is { } total)
            text.Append(culture, $" of {total:N0}");
        if (progress.Unit is { } unit)
            text.Append(' ').Append(unit);
        if (progress.Fraction is { } fraction)
            text.Append(culture, $" ({Math.Floor(fraction * 100):N0} %)");
        if (progress.Rate > 0)
            text.Append(culture, $", {Rounded(progress.Rate)}{(progress.Unit is null ? "" : " ")}{progress.Unit}/s");
        if (progress.Remaining is { } remaining && progress.Current < progress.Total)
            text.Append(culture, $", {(remaining.TotalDays >= 1 ? remaining.ToString("d\\.hh\\:mm\\:ss", culture) : remaining.ToString("hh\\:mm\\:ss", culture))} left");
    }

    private static string Rounded(double rate) => rate.ToString(rate < 10 ? "0.0" : "N0", CultureInfo.InvariantCulture);
}
