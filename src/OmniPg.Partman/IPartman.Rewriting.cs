namespace OmniPg.Partman;

// What moves rows that are there: a table becomes a set, a set a table, or a set one with other partitions.
public partial interface IPartman
{
    /// <summary>What a conversion would do, changing nothing. The copy itself is not SQL alone, and is described.</summary>
    /// <param name="table">A plain table, with its schema.</param>
    /// <param name="options">The set, and the way.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <exception cref="InvalidPartitionDefinitionException">The table cannot be converted; all reasons.</exception>
    Task<SqlPlan> PlanConversionAsync(QualifiedName table, ConversionOptions options, CancellationToken cancellationToken = default);

    /// <summary>
    /// Makes a set of a plain table that is in use. It returns behind the swap, with the former table kept until <see cref="FinishConversionAsync"/>. To cancel it
    /// is to pause it: <see cref="ResumeConversionAsync"/> goes on, and so it does after a crash.
    /// </summary>
    /// <param name="table">The table, with its schema. Its primary key gets the control column as its last one where it does not hold it.</param>
    /// <param name="options">The set, and the way.</param>
    /// <param name="progress">Told of every step.</param>
    /// <param name="cancellationToken">Pauses it.</param>
    /// <exception cref="InvalidPartitionDefinitionException">The table cannot be converted; all reasons.</exception>
    /// <exception cref="PartmanConversionException">By <see cref="ConversionStrategy.AttachAsLegacy"/>: the pool has fewer than three connections, writers were near the end, or rows are behind it.</exception>
    /// <exception cref="ConversionVerificationException">The copy is not equal to the table.</exception>
    /// <exception cref="PartitionLockTimeoutException">A lock was not to be had; resume it.</exception>
    /// <exception cref="StalePlanException">The table was altered meanwhile: abort it.</exception>
    Task<Conversion> ConvertAsync(QualifiedName table, ConversionOptions options, IProgress<ConversionProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>All conversions, those at their end included, the oldest first.</summary>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <exception cref="PartmanServerException">The server refused, or the connection broke.</exception>
    Task<IReadOnlyList<Conversion>> ListConversionsAsync(CancellationToken cancellationToken = default);

    /// <summary>Goes on with a conversion that was paused, failed or died, up to the swap. One that is swapped completely is left as it is.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="progress">Told of every step.</param>
    /// <param name="cancellationToken">Pauses it again.</param>
    /// <exception cref="PartmanConversionException">There is no such conversion.</exception>
    /// <exception cref="PartitionLockTimeoutException">A lock was not to be had, or a run that is still at work holds its rows; resume it again.</exception>
    Task<Conversion> ResumeConversionAsync(long id, IProgress<ConversionProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Gives up a conversion before its swap: copy, log and triggers go, and the table is as before.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <exception cref="PartmanConversionException">There is no such conversion, or it is swapped.</exception>
    Task<Conversion> AbortConversionAsync(long id, CancellationToken cancellationToken = default);

    /// <summary>Makes the former table equal to the set, with all that was written since the swap, and gives it its name back.</summary>
    /// <param name="id">Number of a conversion that was begun with <see cref="ConversionOptions.KeepWayBack"/>.</param>
    /// <param name="progress">Told of every step.</param>
    /// <param name="cancellationToken">Pauses it; call it again to go on.</param>
    /// <exception cref="PartmanConversionException">There is no such conversion, or no way back.</exception>
    /// <exception cref="ConversionVerificationException">The former table is not equal to the set: partitions were dropped or detached, for example.</exception>
    Task<Conversion> SwapBackAsync(long id, IProgress<ConversionProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Ends a conversion behind its swap: drops the former table, or after <see cref="SwapBackAsync"/> the set, and the log.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <exception cref="PartmanConversionException">There is no such conversion, or it is not swapped.</exception>
    Task<Conversion> FinishConversionAsync(long id, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="RepartitionAsync"/> would run. The copy itself is not SQL alone, and is described.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="options">The new interval, and what is rewritten.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <exception cref="InvalidPartitionDefinitionException">The set cannot be partitioned so; all reasons.</exception>
    Task<SqlPlan> PlanRepartitionAsync(QualifiedName table, RepartitionOptions options, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives a set another interval: partitions ahead of the current one are made anew, and with <see cref="RepartitionOptions.Rewrite"/> those that have begun are
    /// merged or split, beside readers and writers.
    /// </summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="options">The new interval, and what is rewritten.</param>
    /// <param name="progress">Told of every step.</param>
    /// <param name="cancellationToken">Cancels it: the partitions at work stay as they were, those that were replaced before are done. The same call goes on with the rest.</param>
    /// <returns>What was replaced.</returns>
    /// <remarks>
    /// First the configuration says the new interval, then partitions are replaced in groups that begin and end where new ones do. Empty ones are exchanged in one
    /// transaction. Of others the rows are copied, with a log of the keys that are written to meanwhile, and compared, count and hash, before one short transaction with
    /// an exclusive lock of the set attaches the copy and drops the former ones. What all partitions of a group have of their own (rights, comments, indexes, checks,
    /// settings) goes on with the new ones; what only some have is a reason not to begin. A process that was killed leaves the set as it was, and triggers that note keys, until
    /// the next call or <see cref="AbortRepartitionAsync"/>.
    /// </remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options contradict themselves.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">The set cannot be partitioned so; all reasons, and nothing is changed.</exception>
    /// <exception cref="PartitionNameCollisionException">A name that a new partition needs is taken.</exception>
    /// <exception cref="ConversionVerificationException">A copy was not equal; these partitions stay.</exception>
    /// <exception cref="PartitionLockTimeoutException">A lock was not to be had; call it again.</exception>
    /// <exception cref="StalePlanException">Somebody changed a partition or the table meanwhile; call it again.</exception>
    /// <exception cref="PartmanBusyException">Somebody else works on the set.</exception>
    Task<RepartitionResult> RepartitionAsync(QualifiedName table, RepartitionOptions options, IProgress<RepartitionProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Takes away what a repartitioning left that was killed: copy, log and triggers go, and every row is where it was. The interval stays the new one.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <returns>Whether there was something.</returns>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="PartitionLockTimeoutException">The partitions were in use all the time.</exception>
    /// <exception cref="PartmanBusyException">Somebody works on the set; that a repartitioning is at work, for example.</exception>
    Task<bool> AbortRepartitionAsync(QualifiedName table, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="UndoAsync"/> would run. The steps that move rows are repeated as often as it takes.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="target">A plain table with the columns of the set, with its schema.</param>
    /// <param name="options">How; <see langword="null"/> for all defaults.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The plan; empty where the set is undone already.</returns>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">Its rows cannot move there; all reasons.</exception>
    Task<SqlPlan> PlanUndoAsync(QualifiedName table, QualifiedName target, UndoOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Moves all rows of a set into a plain table in batches, takes its partitions out one after the other, and forgets the set. Stands for <c>undo_partition_proc</c>.
    /// </summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="target">A plain table of the same owner, with its schema: it has all columns of the set, of the same types.</param>
    /// <param name="options">How; <see langword="null"/> for all defaults.</param>
    /// <param name="progress">Told of every batch.</param>
    /// <param name="cancellationToken">Pauses it: the batch at work is left as it was, what is done stays. The same call goes on.</param>
    /// <returns>What was done since the undo began. Where it is at its end already, what that said.</returns>
    /// <remarks>
    /// A row that has moved is in the target and not in the set any more, so whoever reads meanwhile looks at both. Maintenance, that of the extension too,
    /// leaves the set alone from the first step on (<c>undo_in_progress</c>). Writers may go on until the end; the default partition comes last. The emptied
    /// parent and the template stay. A crash loses nothing: the same call goes on. To give it up, forget the set and adopt what is left of it.
    /// </remarks>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">Its rows cannot move there; all reasons.</exception>
    /// <exception cref="PartmanBusyException">Another run, or an undo or drain of the extension, is at work on it.</exception>
    /// <exception cref="StalePlanException">Set or target were altered meanwhile; the rows of the batch at work are where they were.</exception>
    /// <exception cref="PartitionLockTimeoutException">A table was in use all the time.</exception>
    Task<UndoResult> UndoAsync(QualifiedName table, QualifiedName target, UndoOptions? options = null, IProgress<UndoProgress>? progress = null, CancellationToken cancellationToken = default);
}
