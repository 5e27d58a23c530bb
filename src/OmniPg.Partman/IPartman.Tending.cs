namespace OmniPg.Partman;

// What is done to the partitions of a set by wish, beside its maintenance.
public partial interface IPartman
{
    /// <summary>What <see cref="CreatePartitionsAsync"/> would run.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="values">Moments or ids, as the set is by time or by id.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The plan; empty where all of them have their partitions.</returns>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="ArgumentException">A moment for a set by id, an id for one by time, or more new partitions than <see cref="PartmanOptions.MaxPartitionsPerRun"/>.</exception>
    /// <exception cref="PartmanException">One of them cannot be made; see <see cref="CreatePartitionsAsync"/>.</exception>
    Task<SqlPlan> PlanPartitionsAsync(QualifiedName table, IReadOnlyList<PartitionBound> values, CancellationToken cancellationToken = default);

    /// <summary>
    /// Creates the partitions that take some values, wherever these lie: before a load of old rows, for example. Stands for <c>create_partition_time</c> and
    /// <c>create_partition_id</c>.
    /// </summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="values">
    /// Moments or ids, as the set is by time or by id. A partition begins and ends at the boundaries of the set around the value, and is cut off where another one
    /// begins or ends; a value whose partition exists makes none.
    /// </param>
    /// <param name="progress">Told of each partition that was made.</param>
    /// <param name="cancellationToken">Cancels it; what is done stays.</param>
    /// <returns>The new partitions.</returns>
    /// <remarks>Each is made in a transaction of its own, with the locks of a maintenance. One that retention would take goes with the next maintenance.</remarks>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="ArgumentException">A moment for a set by id, an id for one by time, or more new partitions than <see cref="PartmanOptions.MaxPartitionsPerRun"/>; nothing is made.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">The set is a partition itself, which takes no such value; nothing is made.</exception>
    /// <exception cref="PartitionNameCollisionException">Another relation has the name of a new partition; the others are made.</exception>
    /// <exception cref="DefaultPartitionConflictException">The default partition holds rows of a new range; the others are made.</exception>
    /// <exception cref="PartitionLockTimeoutException">The set was in use all the time; those before it are made.</exception>
    /// <exception cref="PartmanPrivilegeException">The set belongs to a role that this one is no member of; nothing is made.</exception>
    /// <exception cref="PartmanBusyException">Somebody else works on the set, or may: the session that held its lock broke.</exception>
    Task<IReadOnlyList<PartitionChange>> CreatePartitionsAsync(QualifiedName table, IReadOnlyList<PartitionBound> values, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Lets the planner know what sets hold, as a whole and partition by partition: autovacuum looks at partitions, and never at the set. Stands for
    /// <c>run_analyze</c>.
    /// </summary>
    /// <param name="table">The set, with its schema; <see langword="null"/> for all, in the order of maintenance. Partitions that are sets come with theirs.</param>
    /// <param name="skipLocked">Whether tables that somebody holds are passed over; of a set that is held itself, all of it. Default <see langword="false"/>: it waits for them, and nobody waits for it.</param>
    /// <param name="progress">Told of each set.</param>
    /// <param name="cancellationToken">Cancels it; what is done stays.</param>
    /// <returns>The sets, with what became of each; rows of the configuration that cannot be worked with are left out.</returns>
    /// <exception cref="PartitionSetNotFoundException">The one table asked for is no set.</exception>
    /// <exception cref="StandbyServerException">The server is a standby.</exception>
    /// <exception cref="PartmanServerException">The server refused, or the connection broke; sets before that one are done.</exception>
    Task<IReadOnlyList<AnalyzedSet>> AnalyzeAsync(QualifiedName? table = null, bool skipLocked = false, IProgress<AnalyzedSet>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="ReapplyPrivilegesAsync"/> would run.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The plan; empty where all partitions have the owner and the grants of the set.</returns>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="PartmanPrivilegeException">A partition belongs to somebody else.</exception>
    Task<SqlPlan> PlanPrivilegesAsync(QualifiedName table, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives all partitions of a set, on all levels and the default one included, its owner and exactly its grants on the table, once, whether the set hands them on
    /// (<see cref="PartitionSetOptions.InheritPrivileges"/>) or not. Rights on single columns stay. Stands for <c>reapply_privileges</c>.
    /// </summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="progress">Told of each partition that was changed.</param>
    /// <param name="cancellationToken">Cancels it; what is done stays.</param>
    /// <returns>The partitions that were changed.</returns>
    /// <remarks>
    /// A partition in a transaction: nobody sees it without its rights. Readers and writers wait for another owner only. Rights that others granted on go with
    /// theirs (<c>CASCADE</c>), and come back from the owner.
    /// </remarks>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="PartmanPrivilegeException">A partition belongs to somebody else.</exception>
    /// <exception cref="PartitionLockTimeoutException">A partition was in use all the time; those before it are done.</exception>
    /// <exception cref="StalePlanException">A partition was detached or renamed meanwhile; those before it are done.</exception>
    /// <exception cref="PartmanBusyException">Somebody else works on the set.</exception>
    Task<IReadOnlyList<QualifiedName>> ReapplyPrivilegesAsync(QualifiedName table, IProgress<QualifiedName>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="ApplyTiersAsync"/> would run.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="options">The policies.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The plan; empty where all partitions are kept so already.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options contradict themselves.</exception>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">Partitions cannot be kept so; all reasons.</exception>
    /// <exception cref="PartmanPrivilegeException">A tablespace is none that the role may use.</exception>
    Task<SqlPlan> PlanTiersAsync(QualifiedName table, TierOptions options, CancellationToken cancellationToken = default);

    /// <summary>
    /// Keeps partitions that get no new rows as policies say by their age: in another tablespace, by another access method, compressed otherwise, or with indexes of
    /// kind BRIN. Run again it changes nothing; no maintenance does it by itself.
    /// </summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="options">The policies.</param>
    /// <param name="progress">Told of each partition that was changed.</param>
    /// <param name="cancellationToken">Cancels it: the partition at work is left as it was, what is done stays.</param>
    /// <returns>The partitions that were changed, the oldest first.</returns>
    /// <remarks>
    /// What needs other files is copied beside readers and writers, compared, and exchanged in one short transaction under an exclusive lock of the set, as a
    /// repartitioning does it, with the same limits: a primary key, and no foreign keys. What a process leaves that was killed goes with the next call, or with
    /// <see cref="AbortRepartitionAsync"/>. Indexes are built beside readers and writers, and need no key.
    /// </remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options contradict themselves.</exception>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">Partitions cannot be kept so; all reasons, and nothing is changed.</exception>
    /// <exception cref="PartmanPrivilegeException">A tablespace is none that the role may use.</exception>
    /// <exception cref="ConversionVerificationException">A copy is not equal; those before it are done.</exception>
    /// <exception cref="PartitionLockTimeoutException">A partition was in use all the time; those before it are done.</exception>
    /// <exception cref="StalePlanException">Something came to a partition meanwhile; those before it are done.</exception>
    /// <exception cref="PartmanBusyException">Somebody else works on the set.</exception>
    Task<IReadOnlyList<TieredPartition>> ApplyTiersAsync(QualifiedName table, TierOptions options, IProgress<TieredPartition>? progress = null, CancellationToken cancellationToken = default);
}
