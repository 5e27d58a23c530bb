namespace OmniPg.Partman;

/// <summary>The tables of conversions as they are now, and the transactions that work on them.</summary>
internal sealed class ConversionTables(PartmanDatabase database, PartmanOptions options, TimeProvider time)
{
    private readonly UnitRunner _runner = new(database, options, time);

    /// <summary>A conversion with the table that it converts, as that is now.</summary>
    /// <param name="State">The conversion.</param>
    /// <param name="Plain">The table.</param>
    internal record Half(ConversionState State, LiveTable Plain)
    {
        public KeyLog Log { get; } = new(
            ConversionState.Beside(State.Table, ConversionNames.LogEnd), [.. State.Detail.KeyColumns.Zip(State.Detail.KeyTypes, (c, t) => new KeyLog.KeyColumn(PgIdentifier.Create(c), t))],
            PgIdentifier.Create(State.Detail.Control), Plain.Name);

        /// <summary>The table alone as the runner of units knows it, whatever has become of the partitioned one.</summary>
        public SetState Alone => SetState.OfTable(Plain.Name, Plain.Oid, State.Detail.Control);
    }

    /// <summary>A conversion with both of its tables as they are now.</summary>
    /// <param name="State">The conversion.</param>
    /// <param name="Plain">The table that was converted.</param>
    /// <param name="Parted">The partitioned one.</param>
    /// <param name="Set">The set, of the partitioned table.</param>
    internal sealed record Pair(ConversionState State, LiveTable Plain, LiveTable Parted, SetState Set) : Half(State, Plain)
    {
        /// <summary>The set as the runner of units knows it, by the table that its units lock first.</summary>
        public SetState On(LiveTable live) => Set with { Set = Set.Set with { Table = live.Name }, Oid = live.Oid };
    }

    /// <summary>What its row tells of a conversion.</summary>
    public Task<Conversion> ToldAsync(long id, CancellationToken cancellationToken) =>
        InSessionAsync("look", async (session, server) => (await ConversionState.OfAsync(session, server, id).ConfigureAwait(false)).Told, cancellationToken);

    /// <summary>The table of a conversion; null when it is at its end.</summary>
    public Task<Half?> HalfAsync(long id, CancellationToken cancellationToken) => InSessionAsync("look", async (session, server) =>
    {
        var state = await ConversionState.OfAsync(session, server, id).ConfigureAwait(false);
        return !state.Told.IsOpen ? null : await LiveTable.ReadAsync(session, state.Source).ConfigureAwait(false) is { } plain ? new Half(state, plain) : throw Gone(state, "former table");
    }, cancellationToken);

    /// <summary>Both tables of a conversion; null when it is at its end.</summary>
    public Task<Pair?> LoadAsync(long id, CancellationToken cancellationToken) => InSessionAsync("look", async (session, server) =>
    {
        var state = await ConversionState.OfAsync(session, server, id).ConfigureAwait(false);
        if (!state.Told.IsOpen)
            return null;
        var plain = await LiveTable.ReadAsync(session, state.Source).ConfigureAwait(false);
        var parted = await LiveTable.ReadAsync(session, state.Detail.Copy).ConfigureAwait(false);
        if (plain is null || parted is null)
            throw Gone(state, plain is null ? "former table" : "partitioned table");
        var configured = await SetReader.ConfiguredAsync(session, server, parted.Name).ConfigureAwait(false);
        if (configured is not [{ Error: null } sound])
            throw configured is [{ Error: { } error }] ? error : new PartitionSetConfigurationException(parted.Name, $"The configuration of '{parted.Name}' is gone.", "It was forgotten; create the set anew.");
        return new Pair(state, plain, parted, (await SetReader.StatesAsync(session, [sound]).ConfigureAwait(false))[0]);
    }, cancellationToken);

    /// <summary>Executes a unit that is made for the database as it is.</summary>
    public async Task RunAsync(SetState state, Func<PartmanServer, PlanUnit> unit, CancellationToken working) => await _runner.RunAsync(
        state, unit(database.Known ?? await InSessionAsync("convert", (_, server) => Task.FromResult(server), working).ConfigureAwait(false)), working).ConfigureAwait(false);

    /// <summary>Works in one transaction with readable text, which is opened in one round trip: a copy has thousands of them.</summary>
    public Task<T> InSessionAsync<T>(string operation, Func<PgSession, PartmanServer, Task<T>> work, CancellationToken cancellationToken) => database.RunEachAsync(operation, async (session, server) =>
    {
        using var questions = new Questions(session);
        questions.BeginWriting();
        foreach (var setting in PartmanDatabase.ReadableText.Split("; "))
            questions.Tell(setting);
        questions.Tell(PartmanDatabase.AllRows);
        try
        {
            await questions.SendAsync().ConfigureAwait(false);
        }
        catch (Npgsql.PostgresException error) when (error.SqlState == Npgsql.PostgresErrorCodes.FeatureNotSupported)
        {
            // A standby has no transaction that writes. What only asks is answered there, and what writes is refused by its own statement.
            return await session.InTransactionAsync(async () =>
            {
                await session.ExecuteAsync($"{PartmanDatabase.ReadableText}; {PartmanDatabase.AllRows}").ConfigureAwait(false);
                return await work(session, server).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
        var result = await work(session, server).ConfigureAwait(false);
        await session.ExecuteAsync(SessionSettings.Commit).ConfigureAwait(false);
        return result;
    }, cancellationToken);

    private static PartmanConversionException Gone(ConversionState state, string what) => new(
        state.Table, $"Conversion '{state.Id}' of '{state.Table}': its {what} is gone.",
        state.Phase is ConversionPhase.Created or ConversionPhase.Copying ? "Somebody dropped it; abort the conversion." : "Somebody dropped it; delete the row of the conversion from the table of operations.");
}
