using System.Globalization;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>An open step.</summary>
/// <param name="Step">The step.</param>
/// <param name="Depth">How many open steps it is nested in.</param>
internal sealed record TopStep(JobStepRecord Step, int Depth)
{
    /// <summary>What it does, moved to the right below the step around it.</summary>
    public string Indented => Depth == 0 ? Step.Action : new string(' ', (Depth - 1) * 2) + "└ " + Step.Action;

    /// <summary>A bar of so many cells and the share when the total is known, then the last report.</summary>
    public string Progress(int barWidth)
    {
        if (Step is not { Current: { } current, Total: > 0 and var total })
            return Step.Message ?? Count(Step);
        var share = Math.Clamp((double)current / total, 0, 1);
        // Rounded down: a bar is full and says 100 % only at the end.
        var percent = string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(share * 100):0} %");
        var full = (int)(share * barWidth);
        var report = Step.Message?.Replace($" ({percent})", "", StringComparison.Ordinal) ?? Count(Step);
        return $"{new string('█', full)}{new string('░', barWidth - full)} {percent,5}  {report}";
    }

    private static string Count(JobStepRecord step) => step is not { Current: { } current } ? ""
        : string.Create(CultureInfo.InvariantCulture, $"{current:N0}{(step.Total is { } total ? $" of {total:N0}" : "")} {step.Unit}").TrimEnd();
}
