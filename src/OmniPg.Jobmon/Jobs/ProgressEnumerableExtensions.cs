using System.Runtime.CompilerServices;

namespace OmniPg.Jobmon;

/// <summary>Counts the elements of a sequence as progress of a step while they are consumed.</summary>
public static class ProgressEnumerableExtensions
{
    /// <summary>Counts each element once its consumer is done with it.</summary>
    /// <param name="source">The sequence.</param>
    /// <param name="step">The step whose progress moves.</param>
    /// <param name="total">Number of elements; null asks the sequence if that costs nothing.</param>
    /// <param name="unit">Name of an element in the plural; null for none.</param>
    /// <typeparam name="T">Type of an element.</typeparam>
    /// <returns>The same elements. Nothing is counted before they are enumerated; the step is not ended by it.</returns>
    public static IEnumerable<T> WithProgress<T>(this IEnumerable<T> source, IStep step, long? total = null, string? unit = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(step);
        return Count(source, step, total ?? (source.TryGetNonEnumeratedCount(out var known) ? known : null), unit);
    }

    /// <inheritdoc cref="WithProgress{T}(IEnumerable{T}, IStep, long?, string?)"/>
    /// <param name="source">The sequence.</param>
    /// <param name="step">The step whose progress moves.</param>
    /// <param name="total">Number of elements; null when not known.</param>
    /// <param name="unit">Name of an element in the plural; null for none.</param>
    public static IAsyncEnumerable<T> WithProgress<T>(this IAsyncEnumerable<T> source, IStep step, long? total = null, string? unit = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(step);
        return CountAsync(source, step, total, unit);
    }

    private static IEnumerable<T> Count<T>(IEnumerable<T> source, IStep step, long? total, string? unit)
    {
        step.Report(new StepProgress(step.Progress.Current, total, unit));
        foreach (var element in source)
        {
            yield return element;
            step.Increment();
        }
    }

    private static async IAsyncEnumerable<T> CountAsync<T>(
        IAsyncEnumerable<T> source, IStep step, long? total, string? unit, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        step.Report(new StepProgress(step.Progress.Current, total, unit));
        await foreach (var element in source.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            yield return element;
            step.Increment();
        }
    }
}
