namespace OmniPg.Jobmon.Tests.PgCron;

/// <summary>The tests that share a server with pg_cron.</summary>
[CollectionDefinition(nameof(PgCronCollection))]
public sealed class PgCronCollection : ICollectionFixture<PgCronFixture>;
