namespace OmniPg.Mimeo;

/// <summary>What the set-up of a table, or its refresh, would do.</summary>
/// <param name="Access">The rights that are missing on either side, as the statements that give them.</param>
/// <param name="Plan">
/// The steps in their order. <see cref="SqlPlanStep.Server"/> is the name of the source, or <c>destination</c>, which no source may be called. Steps of kind <c>copy</c> are the two ends of a stream of rows, a pair for each part of
/// the table; null where rights are missing without which the source cannot be looked at.
/// </param>
/// <param name="Streams">Parts that are copied at once; 0 where no rows are pulled.</param>
/// <param name="Warnings">What somebody should look at; empty for nothing.</param>
public sealed record ExplainResult(AccessResult Access, SqlPlan? Plan, int Streams, IReadOnlyList<string> Warnings)
{
    // Who may not look at the source learns first what is missing.
    internal static async Task<ExplainResult> OfAsync(AccessResult access, Func<Task<ExplainResult>> look)
    {
        try
        {
            return await look().ConfigureAwait(false);
        }
        catch (MimeoPermissionException) when (!access.IsComplete)
        {
            return new ExplainResult(access, null, 0, []);
        }
    }
}
