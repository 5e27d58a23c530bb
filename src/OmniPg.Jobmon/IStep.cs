using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace OmniPg.Jobmon;

/// <summary>One step of a run: a row of <c>job_detail</c>. Thread-safe.</summary>
/// <remarks>
/// <c>Report</c> and <c>Increment</c> do no I/O and allocate nothing: the latest value is written at most once per
/// <see cref="JobmonOptions.FlushInterval"/>, and always when the step or the job ends or the process exits in an orderly way. The token of an
/// asynchronous call is looked at before its write; a write under way is finished.
/// </remarks>
/// <exception cref="ObjectDisposedException">The step was disposed.</exception>
/// <exception cref="JobmonException">Only with <see cref="ErrorPolicy.Throw"/>: the log could not be written.</exception>
public interface IStep : IProgress<StepProgress>, IDisposable, IAsyncDisposable
{
    /// <summary>Id in <c>job_detail</c>; null as long as <see cref="IJob.JobId"/> is, and while the server is away.</summary>
    long? StepId { get; }

    /// <summary>What the step does.</summary>
    string Action { get; }

    /// <summary>Latest progress with rate and remaining time; zero before the first report. Also readable after the end.</summary>
    StepProgress Progress { get; }

    /// <summary>Begins a step below this one. Stands for <c>add_step()</c>; only the side schema records what stands below what.</summary>
    /// <param name="action">What the step does; not empty.</param>
    /// <returns>The open step; the caller ends and disposes it.</returns>
    /// <exception cref="ArgumentException"><paramref name="action"/> is empty or blank.</exception>
    /// <exception cref="InvalidOperationException">The run has ended.</exception>
    /// <exception cref="JobmonException">Only with <see cref="ErrorPolicy.Throw"/>: the log could not be written.</exception>
    /// <exception cref="ObjectDisposedException">The run was disposed.</exception>
    IStep Step(string action);

    /// <inheritdoc cref="Step"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default);

    /// <summary>Completes this step and begins the next one beside it in one round trip.</summary>
    /// <param name="action">What the next step does; not empty.</param>
    /// <param name="message">Message of this step; null keeps the last progress text.</param>
    /// <returns>The next step, open.</returns>
    /// <exception cref="InvalidOperationException">This step or the run has ended.</exception>
    /// <exception cref="ObjectDisposedException">This step was disposed.</exception>
    /// <exception cref="ArgumentException"><paramref name="action"/> is empty or blank; this step goes on.</exception>
    /// <exception cref="JobmonException">Only with <see cref="ErrorPolicy.Throw"/>: the log could not be written.</exception>
    IStep Next(string action, string? message = null);

    /// <inheritdoc cref="Next"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask<IStep> NextAsync(string action, string? message = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Sets the progress; no I/O. Stands for <c>update_step()</c> called again and again; the row shows status <c>PENDING</c> meanwhile.
    /// </summary>
    /// <param name="current">Units done so far.</param>
    /// <param name="total">Units to do; null leaves it as it is.</param>
    /// <param name="message">Text to show; null leaves it as it is.</param>
    void Report(long current, long? total = null, string? message = null);

    /// <summary>Adds to the progress; no I/O.</summary>
    /// <param name="by">Units done since the last call; may be negative.</param>
    void Increment(long by = 1);

    /// <summary>Counts the elements of a sequence as progress of this step, each once its consumer is done with it.</summary>
    /// <param name="source">The sequence.</param>
    /// <param name="total">Number of elements; null asks the sequence if that costs nothing.</param>
    /// <param name="unit">Name of an element in the plural; null for none.</param>
    /// <typeparam name="T">Type of an element.</typeparam>
    /// <returns>The same elements. Nothing is counted before they are enumerated; the step is not ended by it.</returns>
    IEnumerable<T> Each<T>(IEnumerable<T> source, long? total = null, string? unit = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        var count = total ?? (source.TryGetNonEnumeratedCount(out var known) ? known : null);
        return Count();

        IEnumerable<T> Count()
        {
            Report(new StepProgress(Progress.Current, count, unit));
            foreach (var element in source)
            {
                yield return element;
                Increment();
            }
        }
    }

    /// <inheritdoc cref="Each{T}(IEnumerable{T}, long?, string?)"/>
    /// <param name="source">The sequence.</param>
    /// <param name="total">Number of elements; null when not known.</param>
    /// <param name="unit">Name of an element in the plural; null for none.</param>
    IAsyncEnumerable<T> Each<T>(IAsyncEnumerable<T> source, long? total = null, string? unit = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        return CountAsync();

        async IAsyncEnumerable<T> CountAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            Report(new StepProgress(Progress.Current, total, unit));
            await foreach (var element in source.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                yield return element;
                Increment();
            }
        }
    }

    /// <summary>Ends the step with success. Stands for <c>update_step()</c>. The first end wins, as for <see cref="IJob"/>.</summary>
    /// <param name="message">Message; null keeps the last progress text.</param>
    /// <param name="status">Status text of the caller's own; null means that of level 1. The step counts as good either way.</param>
    /// <inheritdoc cref="IStep" path="/exception"/>
    void Complete(string? message = null, string? status = null);

    /// <summary>Ends the step with a warning (level 2). The job stays open, and its own end does not change by it.</summary>
    /// <param name="message">Message.</param>
    /// <inheritdoc cref="IStep" path="/exception"/>
    void Warn(string message);

    /// <summary>Ends the step as failed (level 3). The job stays open.</summary>
    /// <param name="error">
    /// What went wrong; stored with SQLSTATE, inner exceptions and stack. The message is <c>ERROR: </c> and its text, then its type.
    /// </param>
    /// <inheritdoc cref="IStep" path="/exception"/>
    void Fail(Exception error);

    /// <summary>Ends the step as failed (level 3) for a reason that is no exception. The job stays open.</summary>
    /// <param name="reason">Message of the step; not empty.</param>
    /// <exception cref="ArgumentException"><paramref name="reason"/> is empty.</exception>
    /// <inheritdoc cref="IStep" path="/exception"/>
    void Fail(string reason);

    /// <inheritdoc cref="Complete"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask CompleteAsync(string? message = null, string? status = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Warn"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask WarnAsync(string message, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Fail(Exception)"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask FailAsync(Exception error, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Fail(string)"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask FailAsync(string reason, CancellationToken cancellationToken = default);
}

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
