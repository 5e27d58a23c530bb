[assembly: AssemblyFixture(typeof(OmniPg.Testing.PgClusterFixture))]
